from __future__ import annotations

import secrets
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners.processes import Run, launch
from perijove.hub.core.errors import Code, PerijoveError

StartProcess = Callable[..., subprocess.Popen[bytes]]


def new_run() -> Run:
    return Run(secrets.token_hex(16), 8888)


def led_by(run: Run, child: subprocess.Popen[bytes]) -> Run:
    return replace(run, leader=processes.identify(child.pid))


def test_a_run_survives_being_stored(start_process: StartProcess) -> None:
    run = new_run()
    assert Run.from_state(run.to_state()) == run
    led = led_by(run, start_process("sleep 600"))
    assert Run.from_state(led.to_state()) == led


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"pid": 7},
        {"run": "a" * 32},
        {"run": "a" * 32, "port": 0},
        {"run": "a" * 32, "port": 70000},
        {"run": "a" * 32, "port": "8888"},
        {"run": "../../x", "port": 8888},
        {"run": ["a"], "port": 8888},
    ],
)
def test_anything_else_is_no_run(state: dict[str, object]) -> None:
    assert Run.from_state(state) is None


def test_output_goes_to_a_file_of_ours_alone_emptied_first(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "server-1.log"
    for word in ("first", "second"):
        child = launch(
            new_run(),
            ["sh", "-c", f"echo {word}; echo err >&2; pwd; read x || echo nothing to read"],
            {},
            tmp_path,
            log,
        )
        assert child.wait() == 0
    assert log.read_text() == f"second\nerr\n{tmp_path}\nnothing to read\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_the_run_is_in_the_environment_and_nothing_of_ours(tmp_path: Path) -> None:
    run, log = new_run(), tmp_path / "log"
    env = {"GIVEN": "yes", "PATH": "/usr/bin:/bin"}
    assert launch(run, ["env"], env, tmp_path, log).wait() == 0
    lines = set(log.read_text().splitlines())
    assert {f"{RUN_VARIABLE}={run.id}", "GIVEN=yes"} <= lines
    assert not [line for line in lines if line.startswith("HOME=")]


def refused(command: list[str], log: Path) -> str:
    with pytest.raises(PerijoveError) as error:
        launch(new_run(), command, {"PATH": "/usr/bin:/bin"}, log.parent, log)
    assert error.value.code is Code.FAILED
    return error.value.message


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert "'no-such-command' was not found" in refused(["no-such-command"], log)
    (tmp_path / "file").write_text("")
    assert "may not be executed" in refused([str(tmp_path / "file")], log)
    assert "could not be started" in refused(["sh", "a\0b"], log)


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("precious")
    assert "log file cannot be written" in refused(["true"], tmp_path / "log")
    assert (tmp_path / "precious").read_text() == "precious"
