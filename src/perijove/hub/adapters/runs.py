"""All processes of one run of something: found again, ended together.

What is started leads a session of its own; what it starts may lead further ones. What holds them together is a variable
in their environment that every descendant inherits. It also finds a process whose hub died before it could write down
the process id.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import ProcessIdentity, ProcessInfo

RUN_VARIABLE = "PERIJOVE_RUN"
Requests = Sequence[tuple[signal.Signals, float]]
"""Signals to finish in order, each with the seconds that are given for it."""
Grouped = Callable[[], Collection[int]]
HIDING_SECONDS = 0.02
"""For how long a process that executes another program may look as if it had no environment."""


def find_leader(run_id: str) -> ProcessIdentity | None:
    """Return the oldest process of a run that leads a session; None if there is none. Blocks."""
    found = leaders(RUN_VARIABLE, run_id)
    return found[0] if found else None


def leaders(variable: str, value: str) -> list[ProcessIdentity]:
    """Return the processes that lead a session and have *variable* with *value*, oldest first. Blocks."""

    def leads(process: ProcessInfo) -> bool:
        return process.session == process.pid and processes.has_variable(process.pid, variable, value)

    return [process.identity for process in sorted(_scan(leads), key=lambda process: process.started)]


def members(run_id: str, leader: ProcessIdentity | None) -> list[ProcessIdentity]:
    """Return all living processes of a run: those in its leader's session, and those that carry its number. Blocks."""
    return marked(RUN_VARIABLE, run_id, [leader] if leader else [])


def runs_with(variable: str, value: str) -> set[str]:
    """Return the runs of all processes that have *variable* with *value*. Blocks."""
    found = _scan(lambda process: processes.has_variable(process.pid, variable, value))
    return {processes.variable(process.pid, RUN_VARIABLE) for process in found} - {""}


def marked(variable: str, value: str, of: Iterable[ProcessIdentity], grouped: Grouped = tuple) -> list[ProcessIdentity]:
    """Return all living processes that have *variable* with *value*, or are in a session *of* these. Blocks.

    *grouped* tells the ids of more, by whatever else holds them together.
    """
    pids = frozenset(grouped())
    sessions = {leader.pid for leader in of if _session_is_ours(leader)}

    def belongs(process: ProcessInfo) -> bool:
        known = process.session in sessions or process.pid in pids
        return known or processes.has_variable(process.pid, variable, value)

    return [process.identity for process in _scan(belongs)]


def _scan(wanted: Callable[[ProcessInfo], bool]) -> list[ProcessInfo]:
    """Return all *wanted* processes but this one. Looks twice: one that is just executing hides its environment."""
    for pause in (0.0, HIDING_SECONDS):
        time.sleep(pause)
        if found := [
            process for process in processes.all_processes() if process.pid != os.getpid() and wanted(process)
        ]:
            return found
    return []


def _session_is_ours(leader: ProcessIdentity) -> bool:
    """Say whether a session with the leader's number is the leader's: a number is not free while its session lasts."""
    found = processes.info(leader.pid)
    return leader.boot_id == processes.boot_id() and (found is None or found.started == leader.started)


async def end_run(
    run_id: str,
    leader: ProcessIdentity | None,
    *,
    requests: Requests,
    kill_seconds: float,
    grouped: Grouped = tuple,
) -> list[ProcessIdentity]:
    """End all processes of a run, those whose ids *grouped* tells included, and return those that survived.

    The leader gets the signals of *requests*, one after the other, and so many seconds to finish in order after each.
    What is left then gets SIGKILL and *kill_seconds* to go.
    """
    told = [leader] if leader else []
    return await end_marked(RUN_VARIABLE, run_id, told, requests=requests, kill_seconds=kill_seconds, grouped=grouped)


async def end_marked(
    variable: str,
    value: str,
    told: Iterable[ProcessIdentity],
    *,
    requests: Requests,
    kill_seconds: float,
    grouped: Grouped = tuple,
) -> list[ProcessIdentity]:
    """End all processes that have *variable* with *value* and the sessions of those *told*; return what survived.

    Those *told*, with their groups, get the signals of *requests*, one after the other, and so many seconds together
    after each; with 0 they do not get that one. What is left then gets SIGKILL and *kill_seconds* to go.
    """
    told = list(told)
    for number, seconds in requests:
        asked = [leader for leader in told if seconds > 0 and processes.signal_group(leader, number)]
        await asyncio.gather(*(processes.wait_gone(leader, seconds) for leader in asked))
    try:
        async with asyncio.timeout(kill_seconds):
            while left := await asyncio.to_thread(marked, variable, value, told, grouped):
                for process in left:
                    processes.send_signal(process, signal.SIGKILL)
                for process in left:
                    await processes.wait_gone(process)
    except TimeoutError:
        # Time may have run out before anything was found at all.
        return await asyncio.to_thread(marked, variable, value, told, grouped)
    return []
