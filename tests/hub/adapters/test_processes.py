from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import ProcessIdentity, parse_stat

StartProcess = Callable[..., subprocess.Popen[bytes]]
SLEEP = "exec sleep 600"
READY = "echo ready; sleep 600; :"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 600; done"


def identity_of(child: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = processes.identify(child.pid)
    assert found is not None
    return found


def read_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def test_a_command_may_have_any_name() -> None:
    line = "42 (a) b (c) S 1 41 40 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3"
    found = parse_stat(line)
    assert (found.pid, found.state, found.group, found.session, found.started) == (42, "S", 41, 40, 987654)
    assert not found.dead
    assert parse_stat(line.replace(" S ", " Z ")).dead
    assert not parse_stat(line.replace(" S ", " Z ").replace(" 20 0 1 0 ", " 20 0 2 0 ")).dead, "a thread goes on"


def test_a_process_is_alive_until_it_ends(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    process = identity_of(child)
    assert processes.is_alive(process)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(process), "a zombie does not live"
    child.wait()
    assert not processes.is_alive(process)
    assert processes.identify(child.pid) is None


def test_the_number_alone_is_not_the_process(start_process: StartProcess) -> None:
    process = identity_of(start_process(SLEEP))
    assert not processes.is_alive(replace(process, started=process.started - 1))
    assert not processes.is_alive(replace(process, boot_id="another boot"))


def test_not_being_able_to_look_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = identity_of_self()
    processes.boot_id()
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")
    processes.boot_id.cache_clear()
    try:
        with pytest.raises(OSError, match="boot_id"):
            processes.is_alive(process)
    finally:
        processes.boot_id.cache_clear()


def identity_of_self() -> ProcessIdentity:
    found = processes.identify(os.getpid())
    assert found is not None
    return found


def test_an_identity_survives_json() -> None:
    process = identity_of_self()
    assert ProcessIdentity.from_dict(process.to_dict()) == process


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"pid": "7", "started": 1, "boot_id": "b"},
        {"pid": True, "started": 1, "boot_id": "b"},
        {"pid": 1, "started": 1, "boot_id": "b"},
        {"pid": -7, "started": 1, "boot_id": "b"},
        {"pid": 7, "started": None, "boot_id": "b"},
        {"pid": 7, "started": 1, "boot_id": ""},
        {"pid": 7, "started": 1},
    ],
)
def test_anything_else_is_no_identity(data: dict[str, object]) -> None:
    assert ProcessIdentity.from_dict(data) is None


def test_a_variable_is_found_whole(start_process: StartProcess) -> None:
    child = start_process(READY, PERIJOVE_TEST="one")
    read_line(child)
    assert processes.has_variable(child.pid, "PERIJOVE_TEST", "one")
    assert not processes.has_variable(child.pid, "PERIJOVE_TEST", "on")
    assert not processes.has_variable(child.pid, "JOVE_TEST", "one")
    assert processes.variable(child.pid, "PERIJOVE_TEST") == "one"
    assert processes.variable(child.pid, "JOVE_TEST") == ""
    child.kill()
    child.wait()
    assert not processes.has_variable(child.pid, "PERIJOVE_TEST", "one")
    assert processes.variable(child.pid, "PERIJOVE_TEST") == ""


def test_the_command_line_can_be_read(start_process: StartProcess) -> None:
    child = start_process(READY)
    read_line(child)
    assert processes.command_line(child.pid)[:2] == ("sh", "-c")
    child.kill()
    child.wait()
    assert processes.command_line(child.pid) == ()


def test_all_processes_are_listed_but_dead_ones(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    assert {os.getpid(), child.pid} <= {process.pid for process in processes.all_processes()}
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.pid not in {process.pid for process in processes.all_processes()}


def test_signals_reach_that_very_process_only(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    process = identity_of(child)
    assert not processes.send_signal(replace(process, started=1), signal.SIGKILL)
    assert not processes.signal_group(replace(process, started=1), signal.SIGKILL)
    assert child.poll() is None
    assert processes.send_signal(process, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert not processes.send_signal(process, signal.SIGTERM)
    assert not processes.signal_group(process, signal.SIGTERM)


@pytest.mark.parametrize("attempt", range(20))
async def test_once_the_end_is_seen_the_status_is_known(start_process: StartProcess, attempt: int) -> None:
    waits = "import threading; wait = threading.Event().wait"
    threads = f"{waits}; [threading.Thread(target=wait).start() for _ in range(30)]; print(flush=True); wait()"
    child = start_process(f"exec {sys.executable} -S -c '{threads}'")
    read_line(child)
    process = identity_of(child)
    child.kill()
    assert await asyncio.wait_for(processes.wait_gone(process), 30)
    assert child.poll() == -signal.SIGKILL


def test_a_child_may_be_left_running(start_process: StartProcess) -> None:
    child = processes.Child(["sleep", "600"])
    process = identity_of(child)
    del child
    gc.collect()
    assert processes.is_alive(process)
    processes.send_signal(process, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    with pytest.raises(FileNotFoundError):
        processes.Child(["no-such-command"])
    gc.collect()


async def test_the_end_is_seen_when_it_comes(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    waiting = asyncio.create_task(processes.wait_gone(identity_of(child)))
    assert not await processes.wait_gone(identity_of(child), 0)
    assert not waiting.done()
    child.kill()
    assert await asyncio.wait_for(waiting, 30)


async def test_a_process_that_is_gone_need_not_be_waited_for(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    process = identity_of(child)
    assert await asyncio.wait_for(processes.wait_gone(replace(process, started=1)), 30)
    child.kill()
    child.wait()
    assert await asyncio.wait_for(processes.wait_gone(process), 30)


async def test_the_end_of_a_process_of_somebody_else_is_seen(start_process: StartProcess) -> None:
    parent = start_process("sleep 600 & echo $!; wait")
    grandchild = processes.identify(int(read_line(parent)))
    assert grandchild is not None
    waiting = asyncio.create_task(processes.wait_gone(grandchild))
    await asyncio.sleep(0)
    assert processes.send_signal(grandchild, signal.SIGKILL)
    assert await asyncio.wait_for(waiting, 30)


async def test_without_pidfd_it_works_too(start_process: StartProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    child = start_process(SLEEP)
    process = identity_of(child)
    waiting = asyncio.create_task(processes.wait_gone(process))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert processes.send_signal(process, signal.SIGKILL)
    assert await asyncio.wait_for(waiting, 30)
    child.wait()
    assert not processes.send_signal(process, signal.SIGKILL)


async def test_ending_gives_time_first(start_process: StartProcess) -> None:
    child = start_process(SLEEP)
    assert await processes.end(identity_of(child), term_seconds=30, kill_seconds=30)
    assert child.wait() == -signal.SIGTERM


async def test_ending_takes_the_group_along_and_insists(start_process: StartProcess) -> None:
    child = start_process(STUBBORN)
    assert read_line(child) == "ready"
    assert await processes.end(identity_of(child), term_seconds=0.05, kill_seconds=30)
    assert child.wait() == -signal.SIGKILL
