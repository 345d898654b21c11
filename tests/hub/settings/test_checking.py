from __future__ import annotations

from typing import Any

import pytest
from traitlets import Any as AnyTrait
from traitlets import Bool, Bytes, Dict, Float, Integer, List, Set, Unicode, Union, observe, validate
from traitlets.config import Config, Configurable

from perijove.hub.core.errors import invalid
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import Spawner
from perijove.hub.settings.checking import Checked, check, sections_of, wanted, with_section
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.loading import FlagTexts


class Boats(Spawner):
    """A spawner of somebody else."""

    oars = Integer(2, min=1).tag(config=True)
    sails = Set(Unicode()).tag(config=True)
    boat_token = Unicode().tag(config=True)
    not_an_option = Integer()

    def __init__(self, **kwargs: Any) -> None:
        raise AssertionError("checking a configuration must construct nothing")

    @validate("oars")
    def _even(self, proposal: Any) -> int:
        if proposal.value % 2:
            raise invalid("Oars come in pairs")
        return int(proposal.value)

    @validate("boat_token")
    def _no_spaces(self, proposal: Any) -> str:
        if " " in proposal.value:
            raise ValueError(f"bad token {proposal.value}")
        return str(proposal.value)

    @observe("oars")
    def _row(self, _change: Any) -> None:
        raise AssertionError("checking a configuration must have no effects")


class Trains(Spawner):
    """A spawner that is installed and not in use."""

    wagons = Integer().tag(config=True)


USED = (JupyterHub, Authenticator, Boats)


def found(section: str, **options: Any) -> Checked:
    return check(Config({section: Config(options)}), USED, others=lambda: (Trains,))


def lazy(**changes: Any) -> Any:
    value = Config().Spawner.args
    for name, argument in changes.items():
        getattr(value, name)(argument)
    return value


@pytest.mark.parametrize(
    ("section", "option", "value"),
    [
        ("JupyterHub", "port", 8000),
        ("JupyterHub", "port", FlagTexts(["8000"])),
        ("JupyterHub", "cleanup_servers", FlagTexts(["false"])),
        ("Spawner", "args", ["--debug"]),
        ("Spawner", "args", FlagTexts(["--debug"])),
        ("Spawner", "args", FlagTexts(["['--debug']"])),
        ("Spawner", "args", lazy(append="--debug")),
        ("Spawner", "environment", lazy(update={"A": "b"})),
        ("Spawner", "mem_limit", "2G"),
        ("Spawner", "cpu_limit", None),
        ("Spawner", "start_timeout", 60),
        ("Spawner", "oars", 4),
        ("Boats", "oars", 4),
        ("Boats", "mem_limit", "2G"),
        ("Boats", "sails", FlagTexts(["a", "b"])),
        ("Authenticator", "admin_users", lazy(add="anna")),
        ("Authenticator", "admin_users", {"anna"}),
    ],
)
def test_these_are_right(section: str, option: str, value: Any) -> None:
    assert found(section, **{option: value}) == Checked(())


@pytest.mark.parametrize(
    ("section", "option", "value", "why"),
    [
        ("JupyterHub", "prot", 3, "there is no option c.JupyterHub.prot (set to 3); did you mean c.JupyterHub.port?"),
        (
            "JupyterHub",
            "mem_limit",
            "2G",
            "there is no option c.JupyterHub.mem_limit (set to '2G'); did you mean c.Spawner",
        ),
        ("JupyterHub", "zzz", 3, "there is no option c.JupyterHub.zzz (set to 3)"),
        ("Spawner", "agrs", lazy(append="x"), "there is no option c.Spawner.agrs; did you mean c.Spawner.args?"),
        ("Boats", "not_an_option", 1, "there is no option c.Boats.not_an_option"),
        ("JupyterHub", "port", "x", "c.JupyterHub.port: must be a whole number from 0 to 65535, but is 'x' (str)"),
        ("JupyterHub", "port", 70000, "must be a whole number from 0 to 65535, but is 70000 (int)"),
        ("JupyterHub", "port", FlagTexts(["x"]), "must be a whole number from 0 to 65535, but is 'x'"),
        ("JupyterHub", "port", FlagTexts(["1", "2"]), "port only accepts one value"),
        ("JupyterHub", "cleanup_servers", "no", "must be True or False"),
        ("JupyterHub", "log_level", "LOUD", "it must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL (set to 'LOUD')"),
        ("Spawner", "args", "--debug", "c.Spawner.args: must be a list of texts, but is '--debug' (str)"),
        ("Spawner", "args", [3], "must be a list of texts, but is [3] (list)"),
        ("Spawner", "args", lazy(append=3), "must be a list of texts, but is [3]"),
        ("Spawner", "args", lazy(update={"a": 1}), "is changed like a dict (update, add), but it is a list of texts"),
        (
            "Spawner",
            "environment",
            lazy(append="x"),
            "is changed like a list (append, extend, insert), but it is a dict",
        ),
        ("Spawner", "mem_limit", "2X", "c.Spawner.mem_limit: '2X' is not a size"),
        ("Authenticator", "admin_users", {"a/b"}, "c.Authenticator.admin_users: Invalid user name"),
        ("Boats", "oars", 3, "c.Boats.oars: Oars come in pairs"),
        ("Boats", "oars", 0, "must be a whole number of at least 1"),
        ("Trains", "wagons", "x", "must be a whole number"),
    ],
)
def test_these_are_wrong(section: str, option: str, value: Any, why: str) -> None:
    checked = found(section, **{option: value})
    (mistake,) = checked.mistakes
    assert why in mistake.text
    assert checked.wrong == {(section, option)}


@pytest.mark.parametrize(("old", "new"), [("whitelist", "allowed_users"), ("blacklist", "blocked_users")])
def test_ghsa_384w_an_old_name_of_a_list_of_users_is_refused(old: str, new: str) -> None:
    checked = found("Authenticator", **{old: {"a"}})
    (mistake,) = checked.mistakes
    assert f"is the old name of c.Authenticator.{new}" in mistake.text
    assert checked.wrong == {("Authenticator", old)}


@pytest.mark.parametrize("value", ["geheim geheim", 3.25])
def test_a_secret_is_not_repeated(value: Any) -> None:
    (mistake,) = found("Boats", boat_token=value).mistakes
    assert mistake.text.startswith("c.Boats.boat_token: ")
    assert "geheim" not in mistake.text


def test_an_unknown_section_is_told_once_with_the_nearest_one() -> None:
    (mistake,) = found("Spwaner", args=[], cmd=[]).mistakes
    assert mistake.text == "c.Spwaner is not known here (c.Spwaner.args, c.Spwaner.cmd); did you mean c.Spawner?"


def test_a_section_that_only_the_upstream_project_has_comes_with_advice() -> None:
    (mistake,) = found("KubeSpawner", image="x").mistakes
    assert "starts containers, which this version cannot do" in mistake.text
    (mistake,) = found("KubSpawner", image="x").mistakes
    assert "if c.KubeSpawner is meant" in mistake.text


def test_options_of_a_plugin_that_is_not_in_use_are_warned_of() -> None:
    checked = check(
        Config({"Trains": {"wagons": 3}}), USED, others=lambda: (Trains,), places={("Trains", "wagons"): "a.py:1"}
    )
    assert checked.mistakes == ()
    assert checked.warnings == ("a.py:1: c.Trains has no effect: Trains is not in use",)


def test_an_option_outside_of_a_section_and_a_nested_section_are_mistakes() -> None:
    config = Config()
    config.port = 3
    config.JupyterHub.Spawner.args = []
    assert [mistake.text for mistake in check(config, USED).mistakes] == [
        "c.port is not a section with options; options are set as c.JupyterHub.…",
        "c.JupyterHub.Spawner: sections are not nested here; write c.Spawner",
    ]


def test_a_mistake_knows_its_place_and_all_are_told() -> None:
    config = Config({"JupyterHub": {"prot": 1, "ipp": 2}})
    checked = check(config, USED, places={("JupyterHub", "prot"): "a.py:1"})
    assert [mistake.place for mistake in checked.mistakes] == ["a.py:1", ""]


def test_a_check_leaves_the_configuration_as_it_was() -> None:
    value = lazy(append="x")
    found("Spawner", args=value)
    assert value._value is None


def test_sections_are_the_class_and_its_parents() -> None:
    assert [cls.__name__ for cls in sections_of(Boats)] == ["Boats", "Spawner"]
    assert with_section("Spawner", USED) == [Boats]


@pytest.mark.parametrize(
    ("trait", "words"),
    [
        (Bool(), "True or False"),
        (Integer(), "a whole number"),
        (Integer(max=3), "a whole number of at most 3"),
        (Float(min=0), "a number of at least 0"),
        (Float(), "a number"),
        (Unicode(None, allow_none=True), "a text or None"),
        (List(Unicode()), "a list of texts"),
        (Set(), "a set"),
        (Dict(Integer()), "a dictionary of whole numbers"),
        (Union([Bytes(), Unicode()]), "bytes or a text"),
        (AnyTrait(), "any value"),
        (AnyTrait().tag(wanted="a boat"), "a boat"),
    ],
)
def test_what_is_wanted_is_said_in_words(trait: Any, words: str) -> None:
    assert wanted(trait) == words


def test_a_plugin_without_options_has_no_section() -> None:
    class Bare(Configurable):
        pass

    assert sections_of(Bare) == []
