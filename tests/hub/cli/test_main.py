from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

import perijove
from perijove.hub.adapters import supervisor
from perijove.hub.cli.main import main
from perijove.hub.plugins.configuration import Configuration

FILE = "jupyterhub_config.py"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and nothing of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("JPY_COOKIE_SECRET", "PERIJOVE_DATA_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Configuration]:
    """What was given to the bootstrap, which starts nothing here."""
    configurations: list[Configuration] = []
    module = ModuleType("perijove.hub.bootstrap")

    def run(configuration: Configuration, leash: supervisor.Leash | None) -> int:
        configurations.append(configuration)
        return 7

    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return configurations


def test_a_start_hands_the_configuration_on_and_gives_back_the_status(started: list[Configuration], here: Path) -> None:
    assert main(["--no-supervisor", "--port=1", "--JupyterHub.authenticator_class=dummy"]) == 7
    assert started[0].hub.port == 1
    assert started[0].config_file is None


def test_a_start_says_which_file_it_found(started: list[Configuration], here: Path, capsys: Capture) -> None:
    (here / FILE).write_text("c.JupyterHub.port = 1\n")
    main(["--no-supervisor"])
    assert capsys.readouterr().out == f"Configuration: {here / FILE}\n"
    main(["--no-supervisor", "-f", FILE])
    assert capsys.readouterr().out == ""
    assert [configuration.hub.port for configuration in started] == [1, 1]


def test_mistakes_keep_it_from_starting(started: list[Configuration], here: Path, capsys: Capture) -> None:
    (here / FILE).write_text("c.JupyterHub.prot = 1\nc.Spawner.agrs = []\n")
    assert main(["--no-supervisor"]) == 1
    assert started == []
    assert capsys.readouterr().err.splitlines() == [
        "perijove: 2 mistakes in the configuration; nothing was started",
        f"  {FILE}:1: there is no option c.JupyterHub.prot (set to 1); did you mean c.JupyterHub.port?",
        f"  {FILE}:2: there is no option c.Spawner.agrs (set to []); did you mean c.Spawner.args?",
    ]


def test_a_wrong_flag_is_a_matter_of_usage(capsys: Capture) -> None:
    assert main(["--prot=1"]) == 2
    assert "perijove: there is no flag '--prot'; did you mean --port?" in capsys.readouterr().err


def test_a_check_starts_nothing(started: list[Configuration], here: Path, capsys: Capture) -> None:
    assert main(["check-config"]) == 0
    (here / FILE).write_text("c.JupyterHub.services = [{'name': 'ops', 'api_token': '0123456789'}]\n")
    assert main(["check-config"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == f"{here / FILE} is fine"
    assert "warning: c.JupyterHub.services[0] (ops): api_token is short" in err
    assert main(["check-config", "-f", "missing.py"]) == 1
    assert "1 mistake in the configuration" in capsys.readouterr().err
    assert started == []


def test_a_check_finds_an_authenticator_that_the_hub_cannot_use(here: Path, capsys: Capture) -> None:
    (here / "jupyterhub_config.py").write_text(
        "from perijove.hub.ports.authenticator import Authenticator\n"
        "class Mine(Authenticator):\n"
        "    def login_url(self, base_url): return 'https://elsewhere.example/'\n"
        "c.JupyterHub.authenticator_class = Mine\n"
    )
    assert main(["check-config"]) == 1
    assert "c.JupyterHub.authenticator_class: Mine.login_url() gives" in capsys.readouterr().err


def test_a_check_says_what_this_machine_does_not_give(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (here / FILE).write_text("c.JupyterHub.spawner_class = 'localprocess'\n")
    assert main(["check-config"]) == 0
    assert "warning: LocalProcessSpawner starts servers as the users of this machine" in capsys.readouterr().err


def test_a_configuration_file_is_made_and_is_fine(here: Path, capsys: Capture) -> None:
    assert main(["--generate-config"]) == 0
    assert (here / FILE).stat().st_mode & 0o777 == 0o600
    assert main(["check-config"]) == 0


def test_a_file_that_is_there_is_kept_unless_told_otherwise(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / FILE).write_text("mine")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["--generate-config"]) == 1
    assert "-y overwrites it" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert main(["--generate-config"]) == 1
    assert (here / FILE).read_text() == "mine"
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert main(["--generate-config"]) == 0
    (here / FILE).write_text("mine")
    assert main(["--generate-config", "-y"]) == 0
    assert "get_config()" in (here / FILE).read_text()


def test_a_file_that_cannot_be_written_is_told(here: Path, capsys: Capture) -> None:
    assert main(["--generate-config", "-f", "no/such/folder/x.py"]) == 1
    assert "cannot write no/such/folder/x.py: No such file or directory" in capsys.readouterr().err


def test_what_is_set_can_be_shown(here: Path, capsys: Capture) -> None:
    (here / FILE).write_text("c.JupyterHub.port = 1\n")
    assert main(["--show-config"]) == 0
    assert capsys.readouterr().out == f"c.JupyterHub.port = 1  # {FILE}:1\n"
    assert main(["--show-config-json"]) == 0
    assert capsys.readouterr().out == '{\n  "JupyterHub": {\n    "port": 1\n  }\n}\n'
    (here / FILE).write_text("1 / 0\n")
    assert main(["--show-config"]) == 1


def test_the_long_help_lists_the_options_of_the_plugins(capsys: Capture) -> None:
    assert main(["--help-all"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("--JupyterHub.port=", "--Spawner.args=", "--ConfigurableHTTPProxy.api_url="))


def test_help_and_version(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    assert main(["check-config", "--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: perijove")
    assert out.endswith(f"perijove {perijove.__version__} (speaks JupyterHub 6.1.1)\n")


def test_a_hub_says_when_it_is_configured(started: list[Configuration], monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        said: ClassVar[list[str]] = []

        def configured(self) -> None:
            self.said.append("configured")

    monkeypatch.setattr(supervisor, "supervised", lambda *_: Told())
    main(["--port=1"])
    assert Told.said == ["configured"]
    assert len(started) == 1


def test_the_status_of_the_last_hub_is_that_of_the_command(
    started: list[Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "supervised", lambda *_: 3)
    assert main([]) == 3
    assert started == []
