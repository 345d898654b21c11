"""Who may start now, who waits, and who is told to come back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any

from msgspec import Struct

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import OCCUPYING, Server, State

WAITING = "Waiting for a free place"
"""With what every sentence begins that tells somebody where they stand."""


class Limits(Struct, frozen=True):
    """How many at most; 0 means no limit.

    Attributes:
        concurrent_starts: servers between leaving the queue and being ready.
        active_servers: servers that are not at rest.
        queue_seconds: how long a start may wait for its turn; None for any time.
        broken_users: of how many users the spawner may break over starts in a row before the hub gives up.
    """

    concurrent_starts: int = 0
    active_servers: int = 0
    queue_seconds: float | None = None
    broken_users: int = 0


class Place(Struct, frozen=True):
    """Where a start stands in the queue.

    Attributes:
        position: how many must go before it; 0 if it may start now.
        seconds: until it may start, going by recent starts; None if there were none.
    """

    position: int
    seconds: int | None = None

    def as_wire(self) -> dict[str, Any]:
        """Return the JSON object that clients read."""
        return {"position": self.position, "seconds": self.seconds}

    @property
    def message(self) -> str:
        """What the person who waits is told."""
        about = "" if self.seconds is None else f", about {_in_words(self.seconds)}"
        return f"{WAITING}: number {self.position} in the queue{about}"


def tightest(*limits: int) -> int:
    """Return the smallest of *limits*, of which 0 means none; 0 if there is none at all."""
    return min((limit for limit in limits if limit > 0), default=0)


def check_active(limits: Limits, active: int) -> None:
    """Return if one more server may become active.

    Raises:
        PerijoveError: LIMITED.
    """
    if limits.active_servers and active >= limits.active_servers:
        raise PerijoveError(Code.LIMITED, "Active user limit exceeded. Try again in a few minutes.")


class Line(Struct, frozen=True):
    """Those who start or wait to, as they were at one moment; everybody's place follows from it.

    Attributes:
        occupying: the ids of the servers that are being started.
        waiting: when the others were asked for, and their ids, in this order.
        asked: the same of each of the waiting, by its id.
    """

    occupying: frozenset[int]
    waiting: Sequence[tuple[datetime, int]]
    asked: Mapping[int, tuple[datetime, int]]

    @classmethod
    def of(cls, active: Iterable[Server]) -> Line:
        """Return the line that *active* make: all servers that are not at rest."""
        occupying, asked = set(), {}
        for server in active:
            if server.state in OCCUPYING:
                occupying.add(server.id)
            elif server.state is State.QUEUED and server.requested is not None:
                asked[server.id] = server.requested, server.id
        return cls(frozenset(occupying), sorted(asked.values()), asked)

    def before(self, server: Server) -> int:
        """Return how many others are being started, or wait and were asked for earlier than *server*."""
        occupied = len(self.occupying) - (server.id in self.occupying)
        if server.requested is None:
            return occupied
        mine = server.requested, server.id
        own = self.asked.get(server.id)
        return occupied + bisect_left(self.waiting, mine) - (own is not None and own < mine)


def queue_position(server: Server, line: Line, limits: Limits) -> int:
    """Return how many must go before *server*; 0 if it may start now.

    Args:
        server: a server that is queued.
        line: who starts and waits.
        limits: how many may start at once.
    """
    if not limits.concurrent_starts:
        return 0
    return max(0, line.before(server) - limits.concurrent_starts + 1)


def place_of(server: Server, line: Line, limits: Limits, recent: Sequence[float]) -> Place:
    """Return where *server* stands.

    Args:
        server: a server that is queued.
        line: who starts and waits.
        limits: how many may start at once.
        recent: how many seconds recent starts took from leaving the queue until they were ready.
    """
    position = queue_position(server, line, limits)
    if not position or not recent:
        return Place(position)
    # Of so many that start at once, one is done in each such part of the time that a start takes.
    return Place(position, ceil(median(recent) * position / limits.concurrent_starts))


def _in_words(seconds: int) -> str:
    if seconds < 100:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{ceil(seconds / 60)} minutes"
