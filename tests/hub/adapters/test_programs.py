from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.adapters import processes, programs
from perijove.hub.adapters.programs import OWNER_VARIABLE, LocalProgram, LocalPrograms
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.programs import Program

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
WAIT = "echo up; while :; do sleep 0.05; done"


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Callable[[], LocalPrograms]]:
    """Make what the processes of one hub, one after the other, run programs with; everything is ended with the test."""
    secret = secrets.token_bytes(16)

    def make() -> LocalPrograms:
        return LocalPrograms(secret, str(tmp_path))

    yield make
    await make().end_all()


def shell(script: str, name: str = "wiki", **values: Any) -> Program:
    return Program(name, ("sh", "-c", script), **values)


def lines(captured: list[Any]) -> list[tuple[str, str]]:
    return [(entry["service"], entry["event"]) for entry in captured]


async def said(captured: list[Any], text: str) -> None:
    """Return once *text* was told."""
    async with asyncio.timeout(20):
        while not any(text in entry["event"] for entry in captured):
            await asyncio.sleep(0.005)


async def test_it_runs_and_its_output_is_told_line_by_line(installation: Callable[[], LocalPrograms]) -> None:
    script = "echo one; echo $TOKEN_OF_MINE >&2; printf 'no end'; exit 3"
    with capture_logs() as captured:
        program = await installation().start(shell(script, environment={"TOKEN_OF_MINE": "very-secret-value"}))
        assert await program.ended() == 3
    assert lines(captured) == [("wiki", "one"), ("wiki", "[removed]"), ("wiki", "no end")]


async def test_it_gets_its_environment_and_little_of_the_hubs(
    installation: Callable[[], LocalPrograms], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HUB", "x")
    monkeypatch.setenv("HOME", "/home/of-the-hub")
    with capture_logs() as captured:
        program = await installation().start(
            shell("env; pwd; cat; umask", cwd=str(tmp_path), environment={"OWN": "yes", "LANG": "own"})
        )
        await program.ended()
    told = {event for _, event in lines(captured)}
    assert {"OWN=yes", "LANG=own", "HOME=/home/of-the-hub", f"PWD={tmp_path}", str(tmp_path)} <= told
    assert not [event for event in told if "SECRET_OF_THE_HUB" in event]


async def test_everything_of_it_ends_with_it(installation: Callable[[], LocalPrograms]) -> None:
    with capture_logs() as captured:
        program = await installation().start(shell("setsid sleep 600 & env -i sleep 600 & echo $!; exit 0"))
        assert await program.ended() == 0
        left = int(captured[0]["event"])
    assert not [process for process in processes.all_processes() if process.pid == left]


async def test_a_killed_program_leaves_nothing_to_its_successor(installation: Callable[[], LocalPrograms]) -> None:
    runner = installation()
    program = await runner.start(shell(f"(trap '' TERM; {WAIT}) & {WAIT}"))
    os.kill(program.pid, signal.SIGKILL)
    assert await program.ended() == -signal.SIGKILL
    assert owned(runner) == []


def owned(runner: LocalPrograms) -> list[int]:
    return [
        process.pid
        for process in processes.all_processes()
        if processes.has_variable(process.pid, OWNER_VARIABLE, runner._owner)
    ]


async def test_what_a_killed_hub_left_is_ended_by_the_next(installation: Callable[[], LocalPrograms]) -> None:
    first = [await installation().start(shell(f"trap 'exit 0' TERM; {WAIT}", name)) for name in ("a", "b")]
    other = LocalPrograms(b"another secret", "/elsewhere")
    stranger = await other.start(shell(WAIT))
    assert await installation().end_all() == 2
    assert [await program.ended() for program in first] == [0, 0]
    assert await installation().end_all() == 0
    assert processes.identify(stranger.pid) is not None
    assert await other.end_all() == 1


async def test_there_is_never_a_second_one(installation: Callable[[], LocalPrograms]) -> None:
    runner = installation()
    first = await runner.start(shell(WAIT))
    second = await installation().start(shell(WAIT))
    assert await first.ended() is not None
    assert second.pid in owned(runner)
    assert first.pid not in owned(runner)


async def test_one_that_does_not_listen_is_killed(
    installation: Callable[[], LocalPrograms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "ASKED", ((signal.SIGTERM, 0.1),))
    with capture_logs() as captured:
        program = await installation().start(shell(f"trap '' TERM; {WAIT}"))
        await said(captured, "up")
        await installation().end_all()
        assert await program.ended() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (Program("x", ("no-such-command",)), "'no-such-command' was not found"),
        (Program("x", ("sh",), cwd="/no/such/folder"), "'/no/such/folder' was not found"),
        (Program("x", ("/etc/passwd",)), "may not be executed"),
        (Program("x", ("a\0b",)), "could not be started"),
    ],
)
async def test_what_cannot_be_started_says_why(
    installation: Callable[[], LocalPrograms], program: Program, why: str
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PerijoveError, match=why) as caught:
        await installation().start(program)
    assert caught.value.code is Code.FAILED
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_start_that_is_cancelled_leaves_nothing_behind(
    installation: Callable[[], LocalPrograms], monkeypatch: pytest.MonkeyPatch
) -> None:
    launching, go_on = asyncio.Event(), asyncio.Event()
    loop, launch = asyncio.get_running_loop(), programs._launch

    def slow(*values: Any) -> Any:
        loop.call_soon_threadsafe(launching.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return launch(*values)

    monkeypatch.setattr(programs, "_launch", slow)
    runner = installation()
    starting: asyncio.Task[LocalProgram] = asyncio.create_task(runner.start(shell("sleep 600")))
    await launching.wait()
    starting.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await runner.end_all() == 1
    assert owned(runner) == []


@AS_ROOT
async def test_as_another_user_nothing_of_root_is_left(installation: Callable[[], LocalPrograms]) -> None:
    script = "id -u; id -ru; id -G; grep -E '^(Uid|CapEff|CapPrm|Groups):' /proc/self/status; echo $USER $HOME; pwd"
    with capture_logs() as captured:
        program = await installation().start(shell(script, user="nobody"))
        await program.ended()
    told = [event for _, event in lines(captured)]
    assert told[:3] == ["65534", "65534", "65534"]
    assert [line.split() for line in told[3:7]] == [
        ["Uid:", *["65534"] * 4],
        ["Groups:", "65534"],
        ["CapPrm:", "0" * 16],
        ["CapEff:", "0" * 16],
    ]
    assert told[7].startswith("nobody /")
    assert told[8] == "/"


def test_users_whom_the_hub_cannot_become_are_refused(
    installation: Callable[[], LocalPrograms], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PerijoveError, match="knows no user 'no-such-user'") as caught:
        installation().check(Program("x", ("sh",), user="no-such-user"))
    assert caught.value.code is Code.INVALID
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PerijoveError, match="Only a hub that runs as root"):
        installation().check(Program("x", ("sh",), user="nobody"))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    installation().check(Program("x", ("sh",), user="nobody"))
