from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from traitlets import Bool, Dict, Integer, List, Set, Unicode
from traitlets.config.loader import LazyConfigValue

from perijove.hub.settings.loading import Arguments, Flag, FlagTexts, Loaded, load

FILE = "jupyterhub_config.py"


def read(folder: Path, text: str = "", *flags: Flag, **environment: str) -> Loaded:
    if text:
        (folder / FILE).write_text(text)
    return load(Arguments(flags=flags, folder=folder, environment=environment))


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    loaded = read(tmp_path)
    assert (loaded.file, loaded.config, loaded.mistakes) == (None, {}, ())


def test_the_file_of_the_current_folder_is_taken(tmp_path: Path) -> None:
    loaded = read(tmp_path, "c.JupyterHub.port = 1\nc = get_config()\nc.Spawner.args.append('x')\n")
    assert loaded.file == tmp_path / FILE
    assert loaded.config.JupyterHub.port == 1
    assert isinstance(loaded.config.Spawner.args, LazyConfigValue)
    assert loaded.places == {("JupyterHub", "port"): f"{FILE}:1", ("Spawner", "args"): f"{FILE}:3"}


def test_a_named_file_is_taken_instead(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("c.JupyterHub.port = 1")
    (tmp_path / "other.py").write_text("c.JupyterHub.port = 2")
    by_f = load(Arguments(config_file=Path("other.py"), folder=tmp_path))
    by_flag = load(Arguments(flags=(Flag("JupyterHub", "config_file", "other.py"),), folder=tmp_path))
    assert by_f.file == by_flag.file == tmp_path / "other.py"
    assert by_f.config.JupyterHub.port == 2


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    (mistake,) = load(Arguments(config_file=Path("other.py"), folder=tmp_path)).mistakes
    assert str(mistake).startswith(f"{tmp_path / 'other.py'}: there is no such configuration file")


def test_another_file_can_be_loaded_and_mistakes_in_it_are_found(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text("\nc.Spawner.args = []\n")
    loaded = read(tmp_path, "load_subconfig('more.py')\nload_subconfig('missing.py')\n")
    assert loaded.config.Spawner.args == []
    assert loaded.places["Spawner", "args"] == "more.py:2"
    (tmp_path / "more.py").write_text("\n\n1 / 0\n")
    (mistake,) = read(tmp_path).mistakes
    assert mistake.place == "more.py:3"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("\n1 / 0", 2, "ZeroDivisionError: division by zero"),
        ("\n\nif", 3, "SyntaxError: invalid syntax"),
        ("import no_such_module_at_all", 1, "ModuleNotFoundError"),
        ("def f():\n    raise ValueError('bad\\nthing')\nf()", 2, "ValueError: bad thing"),
        ("raise SystemExit(3)", 1, "SystemExit: 3"),
        ("open('/no/such/file')", 1, "FileNotFoundError"),
        ("c.JupyterHub = 3", 1, "ValueError"),
    ],
)
def test_an_exception_in_the_file_is_a_mistake_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    (mistake,) = read(tmp_path, text).mistakes
    assert mistake.place == f"{FILE}:{line}"
    assert what in mistake.text


def test_flags_beat_the_file(tmp_path: Path) -> None:
    loaded = read(tmp_path, "c.JupyterHub.port = 1", Flag("JupyterHub", "port", "2"))
    assert loaded.config.JupyterHub.port == ["2"]
    assert loaded.places["JupyterHub", "port"] == "command line"


def test_a_repeated_flag_makes_a_list_and_a_literal_is_one(tmp_path: Path) -> None:
    flags = (Flag("Spawner", "args", "-a"), Flag("Spawner", "args", "-b"), Flag("Spawner", "cmd", "['x']"))
    config = read(tmp_path, "", *flags).config
    assert config.Spawner.args.get_value(List(Unicode())) == ["-a", "-b"]
    assert config.Spawner.cmd.get_value(List(Unicode())) == ["x"]


@pytest.mark.parametrize(
    ("trait", "text", "value"),
    [
        (List(Unicode()), "--debug", ["--debug"]),
        (Set(Unicode()), "{'a', 'b'}", {"a", "b"}),
        (Dict(), "a=1", {"a": "1"}),
        (Dict(), "{'a': 1}", {"a": 1}),
        (Unicode(), "[0-9]", "[0-9]"),
        (List(Unicode()), "[0-9", ["[0-9"]),
        (List(Unicode()), "[not python]", "[not python]"),
        (Bool(), "True", True),
        (Integer(), "12", 12),
        (Integer(), "twelve", "twelve"),
    ],
)
def test_the_text_of_a_flag_is_read_by_the_type_of_its_option(trait: Any, text: str, value: Any) -> None:
    assert FlagTexts([text]).get_value(trait) == value


def test_a_flag_for_bind_url_replaces_its_parts_in_the_file(tmp_path: Path) -> None:
    loaded = read(tmp_path, "c.JupyterHub.port = 1", Flag("JupyterHub", "bind_url", "http://:2"))
    assert "port" not in loaded.config.JupyterHub
    assert loaded.mistakes == ()


def test_a_flag_for_a_part_stands_beside_the_bind_url_of_the_file(tmp_path: Path) -> None:
    loaded = read(tmp_path, "c.JupyterHub.bind_url = 'http://:1'", Flag("JupyterHub", "port", "2"))
    assert loaded.mistakes == ()


@pytest.mark.parametrize(
    ("part", "mistakes"),
    [
        ("port = 2", 1),
        ("port = 1", 0),
        ("base_url = '/x/'", 0),
        ("base_url = 'y'", 1),
        ("ip = 'b'", 1),
        ("ip = 'a'", 0),
    ],
)
def test_one_source_must_not_give_two_addresses(tmp_path: Path, part: str, mistakes: int) -> None:
    loaded = read(tmp_path, f"c.JupyterHub.bind_url = 'http://a:1/x'\nc.JupyterHub.{part}\n")
    assert len(loaded.mistakes) == mistakes
    assert all(mistake.place == f"{FILE}:2" for mistake in loaded.mistakes)


def test_an_option_that_is_only_read_sets_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "c.JupyterHub.bind_url = 'http://a:1'\nc.JupyterHub.port\n").mistakes == ()


def test_two_addresses_on_the_command_line_are_a_mistake_too(tmp_path: Path) -> None:
    flags = (Flag("JupyterHub", "bind_url", "http://a:1"), Flag("JupyterHub", "port", "2"))
    (mistake,) = read(tmp_path, "", *flags).mistakes
    assert mistake.place == "command line"


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("ssl_key", "k", "{here}/k"),
        ("ssl_key", "/k", "/k"),
        ("pid_file", "", ""),
        ("db_url", "sqlite:///x", "sqlite:///{here}/x"),
        ("db_url", "x", "{here}/x"),
        ("db_url", "sqlite:////x", "sqlite:////x"),
        ("db_url", "sqlite://", "sqlite://"),
        ("public_url", "x", "x"),
    ],
)
def test_files_on_the_command_line_start_in_the_current_folder(
    tmp_path: Path, option: str, text: str, expected: str
) -> None:
    config = read(tmp_path, "", Flag("JupyterHub", option, text)).config
    assert config.JupyterHub[option] == [expected.format(here=tmp_path)]


def test_the_environment_has_the_cookie_secret_if_nothing_else_has(tmp_path: Path) -> None:
    loaded = read(tmp_path, JPY_COOKIE_SECRET="ab" * 32)
    assert loaded.config.JupyterHub.cookie_secret == "ab" * 32
    assert loaded.places["JupyterHub", "cookie_secret"] == "$JPY_COOKIE_SECRET"
    loaded = read(tmp_path, "c.JupyterHub.cookie_secret = 'cd' * 32", JPY_COOKIE_SECRET="ab" * 32)
    assert loaded.config.JupyterHub.cookie_secret == "cd" * 32


def test_a_secret_on_the_command_line_is_warned_of_and_not_repeated(tmp_path: Path) -> None:
    flag = Flag("ConfigurableHTTPProxy", "auth_token", "geheim")
    (warning,) = read(tmp_path, "", flag).warnings
    assert "--ConfigurableHTTPProxy.auth_token" in warning
    assert "geheim" not in warning + repr(flag)
