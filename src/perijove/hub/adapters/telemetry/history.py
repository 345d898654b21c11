"""Fills the history of the hub: from facts, and from what the operating system tells of memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perijove.hub.core import events
from perijove.hub.core.facts import Fact
from perijove.hub.core.history import Gauges, History
from perijove.hub.core.servers import OCCUPYING, State
from perijove.hub.ports.clock import Clock

PROC: Final = Path("/proc")


class HistoryWriter:
    """Takes note of what happens to servers, and how many there are."""

    def __init__(self, clock: Clock, proc: Path = PROC) -> None:
        """Args: *proc* is where the kernel tells of memory."""
        self.history = History()
        self._clock = clock
        self._proc = proc

    def emit(self, fact: Fact) -> None:
        """Take note of starts and failures."""
        match fact:
            case events.ServerReady():
                self.history.started(self._clock.now(), fact.seconds)
            case events.ServerFailed():
                self.history.failed(self._clock.now())
            case _:
                pass  # nothing that a chart shows

    def look(self, servers: Mapping[State, int]) -> None:
        """Take note of how many servers are in each state now, and of the memory."""
        hub, used, total = self._memory()
        gauges = Gauges(
            running=servers.get(State.READY, 0),
            starting=sum(servers.get(state, 0) for state in OCCUPYING),
            queued=servers.get(State.QUEUED, 0),
            hub_memory=hub,
            used_memory=used,
            all_memory=total,
        )
        self.history.looked(self._clock.now(), gauges)

    def _memory(self) -> tuple[int, int, int]:
        """Return the bytes that this process holds, those in use, and all there are; zeros where nobody tells."""
        try:
            pages = int((self._proc / "self" / "statm").read_text().split()[1])
            lines = (self._proc / "meminfo").read_text().splitlines()
            kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
            total = kilobytes["MemTotal"] * 1024
            return pages * os.sysconf("SC_PAGE_SIZE"), total - kilobytes["MemAvailable"] * 1024, total
        except (OSError, LookupError, ValueError):
            return 0, 0, 0
