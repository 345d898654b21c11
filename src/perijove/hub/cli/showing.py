"""What a configuration sets, secrets left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from traitlets.config import Config
from traitlets.config.loader import DeferredConfigList, LazyConfigValue

from perijove.hub.settings.loading import Loaded
from perijove.hub.settings.secrets import masked

_CHANGES = {"extend": "extend", "prepend": "prepend", "inserts": "insert", "update": "update"}


def as_text(loaded: Loaded) -> str:
    """Return one line of Python for each option that is set, with the place where it is set."""
    lines = []
    for section, option, value in _items(loaded.config):
        place = loaded.places.get((section, option), "")
        remark = f"  # {place}" if place else ""
        lines += [f"c.{section}.{option}{change}{remark}" for change in _changes(value, option)]
    return "\n".join(lines) + "\n" if lines else "nothing is set; every option has its default\n"


def as_json(loaded: Loaded) -> str:
    """Return the same as a JSON object of sections."""
    found: dict[str, dict[str, Any]] = {}
    for section, option, value in _items(loaded.config):
        found.setdefault(section, {})[option] = masked(_value(value), option)
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False, default=_for_json) + "\n"


def _items(config: Config) -> Iterator[tuple[str, str, Any]]:
    for section in sorted(config):
        options = config[section]
        if isinstance(options, Config):
            for option in sorted(options):
                yield section, option, options[option]


def _value(value: Any) -> Any:
    if isinstance(value, DeferredConfigList):
        return value[0] if len(value) == 1 else list(value)
    return value.to_dict() if isinstance(value, LazyConfigValue) else value


def _changes(value: Any, option: str) -> Iterator[str]:
    value = _value(value) if not isinstance(value, LazyConfigValue) else value
    if isinstance(value, LazyConfigValue):
        for name, change in value.to_dict().items():
            yield f".{_CHANGES[name]}({_python(masked(change, option))})"
    else:
        yield f" = {_python(masked(value, option))}"


def _python(value: Any) -> str:
    # Flags are kept as a text of a class of their own.
    return repr(str(value)) if isinstance(value, str) else repr(value)


def _for_json(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else repr(value)
