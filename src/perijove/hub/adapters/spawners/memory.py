"""How much memory the processes of a server use.

Where a control group counts it, its count is taken. Elsewhere it is the sum over the processes of their proportional
share (PSS, see proc_pid_smaps(5)): servers that are copies of one process share most of their pages, and the resident
size of each would count them again and again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct, field

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import PROC, ProcessIdentity
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.processes import Run
from perijove.hub.core.usage import Usage

CENSUS_SECONDS: Final = 5.0
"""For how long it is believed which processes belong to which run: to find out, all of the machine are looked at."""


class _Counted(Struct, frozen=True):
    """All processes of the machine at one time, by the run whose number they carry and by their session."""

    at: float
    runs: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sessions: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


class Census:
    """Which processes belong to which run; looked up for all runs at once, however many ask. For use in threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: _Counted | None = None

    def members(self, run_id: str, leader: ProcessIdentity | None) -> set[int]:
        """Return the ids of a run's processes, as some seconds ago: those with its number, and its leader's session.

        Raises:
            OSError: the system does not say.
        """
        with self._lock:
            counted = self._counted
            if counted is None or self._clock() - counted.at >= CENSUS_SECONDS:
                counted = self._counted = self._count()
        found = set(counted.runs.get(run_id, ()))
        if leader is not None and processes.is_alive(leader):
            found |= {leader.pid} | counted.sessions.get(leader.pid, set())
        return found

    def _count(self) -> _Counted:
        counted = _Counted(self._clock())
        for process in processes.all_processes():
            counted.sessions[process.session].add(process.pid)
            if run_id := processes.variable(process.pid, RUN_VARIABLE):
                counted.runs[run_id].add(process.pid)
        return counted


_CENSUS: Final = Census()
"""One for all servers of this hub process."""


def usage_of(run: Run) -> Usage | None:
    """Return what all processes of *run* use together; None if there are none. Blocks."""
    if (counted := cgroups.memory_in(run.groups)) is not None:
        return Usage(*counted)
    pids = _CENSUS.members(run.id, run.leader)
    return Usage(memory_of(pids)) if pids else None


def memory_of(pids: Iterable[int]) -> int:
    """Return the bytes that these processes use together; one that is gone uses none. Blocks."""
    return sum(map(_share_of, pids))


def _share_of(pid: int) -> int:
    """Return the proportional share of one process; its resident size where that is hidden from us."""
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return 0


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
