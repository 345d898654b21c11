from __future__ import annotations

from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict, Integer, Unicode, default
from traitlets.config import Config, Configurable

from perijove.hub.settings.effective import LONGEST, OptionValue, effective


class Base(Configurable):
    size = Integer(3, help=" How big. ").tag(config=True)
    password = Unicode("").tag(config=True)


class Part(Base):
    environment: Any = Dict().tag(config=True)
    hook: Any = AnyTrait(None).tag(config=True)
    broken = Unicode().tag(config=True)
    hidden = Unicode()

    @default("broken")
    def _fail(self) -> str:
        raise RuntimeError("secret inside")


def hook() -> None:
    """Do nothing."""


def shown(config: Config, part: Any) -> dict[str, tuple[str, bool]]:
    return {option.name: (option.value, option.is_set) for option in effective(config, [part])}


def test_an_object_tells_its_own_values_with_secrets_left_out() -> None:
    config = Config({"Base": {"password": "hunter22"}, "Part": {"environment": {"TOKEN": "abc", "A": "1"}}})
    config.Part.hook = hook
    assert shown(config, Part(config=config)) == {
        "size": ("3", False),
        "password": ("'***'", True),
        "environment": ("{'TOKEN': '***', 'A': '1'}", True),
        "hook": ("hook", True),
        "broken": ("(RuntimeError)", False),
    }


def test_a_class_tells_what_is_set_and_its_defaults() -> None:
    config = Config({"Part": {"size": 5}})
    config.Part.environment.update({"SECRET_KEY": "abc"})
    values = shown(config, Part)
    assert values["size"] == ("5", True)
    assert "abc" not in values["environment"][0]
    assert values["password"] == ("''", False)


def test_each_option_comes_with_its_class_and_help_and_not_at_any_length() -> None:
    options = effective(Config({"Base": {"size": 4}, "Other": {"size": 5}}), [Base, Part(hook="x" * 5000, broken="")])
    assert options[0] == OptionValue("Base", "password", "''", False, "")
    assert options[1] == OptionValue("Base", "size", "4", True, "How big.")
    assert [option.section for option in options].count("Part") == 5
    assert max(len(option.value) for option in options) == LONGEST + 1
