from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import ProcessIdentity
from perijove.hub.adapters.runs import RUN_VARIABLE, end_marked, end_run, find_leader, leaders, members, runs_with

StartProcess = Callable[..., subprocess.Popen[bytes]]


def identity(child: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = processes.identify(child.pid)
    assert found is not None
    return found


def read_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def test_the_oldest_leader_is_found(start_process: StartProcess) -> None:
    run = secrets.token_hex(16)
    assert find_leader(run) is None
    first = start_process("setsid sleep 600 & sleep 600", **{RUN_VARIABLE: run})
    start_process("sleep 600", **{RUN_VARIABLE: secrets.token_hex(16)})
    found = find_leader(run)
    assert found is not None
    assert found.pid == first.pid


def test_the_runs_of_one_owner_are_found(start_process: StartProcess) -> None:
    runs = [secrets.token_hex(16) for _ in range(3)]
    assert runs_with("PERIJOVE_TEST_OF", runs[0]) == set()
    for run in runs[:2]:
        start_process("sleep 600 & sleep 600", **{RUN_VARIABLE: run, "PERIJOVE_TEST_OF": runs[0]})
    start_process("sleep 600", **{RUN_VARIABLE: runs[2], "PERIJOVE_TEST_OF": "another"})
    start_process("sleep 600", PERIJOVE_TEST_OF=runs[0])
    assert runs_with("PERIJOVE_TEST_OF", runs[0]) == set(runs[:2])


async def test_everything_of_a_run_is_ended(start_process: StartProcess) -> None:
    run = secrets.token_hex(16)
    script = "trap '' TERM; setsid sleep 600 & env -i sleep 600 & echo ready; while :; do sleep 600; done"
    child = start_process(script, **{RUN_VARIABLE: run})
    other = start_process("sleep 600", **{RUN_VARIABLE: secrets.token_hex(16)})
    assert read_line(child) == "ready"
    leader = identity(child)
    assert child.pid in {process.pid for process in members(run, leader)}
    assert await end_run(run, leader, requests=[(signal.SIGTERM, 0.05)], kill_seconds=30) == []
    assert members(run, leader) == []
    assert other.poll() is None


async def test_what_a_finished_server_leaves_behind_is_ended(start_process: StartProcess) -> None:
    run = secrets.token_hex(16)
    child = start_process("env -i setsid -f sleep 0; sleep 600 & echo $!", **{RUN_VARIABLE: run})
    left = int(read_line(child))
    leader = identity(child)
    child.wait()
    assert left in {process.pid for process in members(run, leader)}
    assert await end_run(run, leader, requests=[(signal.SIGTERM, 30)], kill_seconds=30) == []
    assert processes.info(left) is None or left not in {process.pid for process in processes.all_processes()}


async def test_a_leader_whose_number_was_given_away_is_not_touched(start_process: StartProcess) -> None:
    stranger = start_process("sleep 600")
    leader = identity(stranger)
    run, gone = secrets.token_hex(16), replace(leader, started=leader.started - 1)
    assert members(run, gone) == []
    assert await end_run(run, gone, requests=[(signal.SIGTERM, 30)], kill_seconds=30) == []
    assert stranger.poll() is None


async def test_one_that_is_just_executing_is_not_overlooked(
    start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = secrets.token_hex(16)
    child = start_process("echo ready; sleep 600; :", **{RUN_VARIABLE: run})
    read_line(child)
    has_variable, hidden = processes.has_variable, {child.pid}

    def hides_once(pid: int, name: str, value: str) -> bool:
        if pid in hidden:
            hidden.remove(pid)
            return False
        return has_variable(pid, name, value)

    monkeypatch.setattr(processes, "has_variable", hides_once)
    found = find_leader(run)
    assert found is not None
    assert found.pid == child.pid


async def test_survivors_are_named(start_process: StartProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run = secrets.token_hex(16)
    leader = identity(start_process("sleep 600", **{RUN_VARIABLE: run}))
    monkeypatch.setattr(processes, "send_signal", lambda *_: True)
    assert leader in await end_run(run, leader, requests=[], kill_seconds=0.05)


async def test_all_that_carry_a_mark_are_told_and_ended(start_process: StartProcess) -> None:
    mark = secrets.token_hex(16)
    script = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    told = [start_process(script, MARK=mark) for _ in range(2)]
    deaf = start_process("trap '' TERM; echo ready; while :; do sleep 0.05; done", MARK=mark)
    assert [read_line(child) for child in (*told, deaf)] == ["ready"] * 3
    found = leaders("MARK", mark)
    assert [process.pid for process in found] == [child.pid for child in (*told, deaf)]
    assert await end_marked("MARK", mark, found, requests=[(signal.SIGTERM, 5)], kill_seconds=30) == []
    assert [read_line(child) for child in told] == ["told"] * 2
    assert leaders("MARK", mark) == []


async def test_signals_follow_each_other_until_it_finishes(start_process: StartProcess) -> None:
    run = secrets.token_hex(16)
    script = "trap 'echo interrupted' INT; trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    child = start_process(script, **{RUN_VARIABLE: run})
    assert read_line(child) == "ready"
    asked = [(signal.SIGINT, 0.3), (signal.SIGTERM, 30.0), (signal.SIGQUIT, 30.0)]
    assert await end_run(run, identity(child), requests=asked, kill_seconds=30) == []
    assert [read_line(child), read_line(child), child.wait()] == ["interrupted", "told", 0]


async def test_what_is_held_together_otherwise_is_ended_too(start_process: StartProcess) -> None:
    stranger = start_process("sleep 600")
    ours = start_process("sleep 600")
    assert await end_run("no-such-run", None, requests=[], kill_seconds=30, grouped=lambda: {ours.pid}) == []
    assert ours.wait() == -signal.SIGKILL
    assert stranger.poll() is None
