from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.cli.arguments import ALIASES, Action, CommandLine, UsageError, help_text, parse
from perijove.hub.settings.jupyterhub import JupyterHub


def test_nothing_at_all_means_run() -> None:
    assert parse([]) == CommandLine(Action.RUN, None, (), answer_yes=False)


@pytest.mark.parametrize(
    ("argv", "action"),
    [
        (["check-config"], Action.CHECK),
        (["-f", "x.py", "check-config"], Action.CHECK),
        (["--generate-config"], Action.GENERATE),
        (["--show-config"], Action.SHOW),
        (["--show-config-json"], Action.SHOW_JSON),
        (["--help-all"], Action.HELP_ALL),
        (["--version"], Action.VERSION),
        (["-h"], Action.HELP),
        (["check-config", "--help"], Action.HELP),
    ],
)
def test_what_is_to_be_done(argv: list[str], action: Action) -> None:
    assert parse(argv).action is action


def test_the_file_and_the_answer_are_understood() -> None:
    line = parse(["--generate-config", "-f", "x.py", "-y"])
    assert (line.config_file, line.answer_yes) == (Path("x.py"), True)


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["--Spawner.args=--debug"], [("Spawner", "args", "--debug")]),
        (["--Spawner.args=a", "--Spawner.args=b=c"], [("Spawner", "args", "a"), ("Spawner", "args", "b=c")]),
        (["--JupyterHub.port", "1"], [("JupyterHub", "port", "1")]),
        (["--JupyterHub.port="], [("JupyterHub", "port", "")]),
        (["--Spawner.cmd=a\nb"], [("Spawner", "cmd", "a\nb")]),
        (["--port", "1", "--ip=::"], [("JupyterHub", "port", "1"), ("JupyterHub", "ip", "::")]),
        (["--url=http://a"], [("JupyterHub", "bind_url", "http://a")]),
        (["--debug"], [("JupyterHub", "log_level", "DEBUG")]),
    ],
)
def test_flags_set_options(argv: list[str], options: list[tuple[str, str, str]]) -> None:
    assert list(parse(argv).options) == options


def test_the_hub_is_supervised_unless_told_otherwise() -> None:
    assert parse([]).supervised
    assert not parse(["--no-supervisor"]).supervised


def test_every_short_flag_sets_an_option_that_exists() -> None:
    assert {option for _, option, _ in ALIASES.values()} <= set(JupyterHub.class_trait_names(config=True))


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (["--prot=1"], ["there is no flag '--prot'; did you mean --port?"]),
        (["--zzzzzz"], ["there is no flag '--zzzzzz'"]),
        (["chek-config"], ["there is no command 'chek-config'; did you mean check-config?"]),
        (["check-config", "x.py"], ["'x.py' is not understood here"]),
        (["--Spawner.args"], ["--Spawner.args needs a value: --Spawner.args=…"]),
        (["--Spawner.args", "--debug"], ["--Spawner.args needs a value: --Spawner.args=…"]),
        (
            ["--por=1", "--ipp=2"],
            ["there is no flag '--por'; did you mean --port?", "there is no flag '--ipp'; did you mean --ip?"],
        ),
        (["-f"], ["argument -f/--config: expected one argument"]),
    ],
)
def test_what_is_not_understood_is_told_with_the_nearest_name(argv: list[str], lines: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        parse(argv)
    assert list(error.value.lines) == lines


def test_the_short_help_names_commands_and_flags() -> None:
    text = help_text()
    assert all(
        word in text for word in ("perijove check-config", "perijove proxy", "-f FILE", "--help-all", "--Class.option")
    )
    assert max(map(len, text.splitlines())) <= 100
