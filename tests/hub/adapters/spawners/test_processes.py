from __future__ import annotations

import secrets
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.spawners.processes import RUN_VARIABLE, Run, end_run, find_leader, launch, members
from perijove.hub.core.errors import Code, PerijoveError

StartProcess = Callable[..., subprocess.Popen[bytes]]


def new_run() -> Run:
    return Run(secrets.token_hex(16), 8888)


def led_by(run: Run, child: subprocess.Popen[bytes]) -> Run:
    return replace(run, leader=processes.identify(child.pid))


def read_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


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


def test_the_oldest_leader_is_found(start_process: StartProcess) -> None:
    run = new_run()
    assert find_leader(run.id) is None
    first = start_process("setsid sleep 600 & sleep 600", **{RUN_VARIABLE: run.id})
    start_process("sleep 600", **{RUN_VARIABLE: new_run().id})
    found = find_leader(run.id)
    assert found is not None
    assert found.pid == first.pid


async def test_everything_of_a_run_is_ended(start_process: StartProcess) -> None:
    run = new_run()
    script = "trap '' TERM; setsid sleep 600 & env -i sleep 600 & echo ready; while :; do sleep 600; done"
    child = start_process(script, **{RUN_VARIABLE: run.id})
    other = start_process("sleep 600", **{RUN_VARIABLE: new_run().id})
    assert read_line(child) == "ready"
    run = led_by(run, child)
    assert child.pid in {process.pid for process in members(run)}
    assert await end_run(run, term_seconds=0.05, kill_seconds=30) == []
    assert members(run) == []
    assert other.poll() is None


async def test_what_a_finished_server_leaves_behind_is_ended(start_process: StartProcess) -> None:
    run = new_run()
    child = start_process("env -i setsid -f sleep 0; sleep 600 & echo $!", **{RUN_VARIABLE: run.id})
    left = int(read_line(child))
    run = led_by(run, child)
    child.wait()
    assert left in {process.pid for process in members(run)}
    assert await end_run(run, term_seconds=30, kill_seconds=30) == []
    assert processes.info(left) is None or left not in {process.pid for process in processes.all_processes()}


async def test_a_leader_whose_number_was_given_away_is_not_touched(start_process: StartProcess) -> None:
    stranger = start_process("sleep 600")
    run = led_by(new_run(), stranger)
    assert run.leader is not None
    reused = replace(run, leader=replace(run.leader, started=run.leader.started - 1))
    assert members(reused) == []
    assert await end_run(reused, term_seconds=30, kill_seconds=30) == []
    assert stranger.poll() is None


async def test_one_that_is_just_executing_is_not_overlooked(
    start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    child = start_process("echo ready; sleep 600; :", **{RUN_VARIABLE: run.id})
    read_line(child)
    has_variable, hidden = processes.has_variable, {child.pid}

    def hides_once(pid: int, name: str, value: str) -> bool:
        if pid in hidden:
            hidden.remove(pid)
            return False
        return has_variable(pid, name, value)

    monkeypatch.setattr(processes, "has_variable", hides_once)
    found = find_leader(run.id)
    assert found is not None
    assert found.pid == child.pid


async def test_survivors_are_named(start_process: StartProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    run = led_by(run, start_process("sleep 600", **{RUN_VARIABLE: run.id}))
    monkeypatch.setattr(processes, "send_signal", lambda *_: True)
    left = await end_run(run, term_seconds=0, kill_seconds=0.05)
    assert run.leader in left


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
