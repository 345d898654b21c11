"""Who may start now, who waits, and who is told to come back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import OCCUPYING, Server, State


@dataclass(frozen=True, slots=True)
class Limits:
    """How many at most; 0 means no limit.

    Attributes:
        concurrent_starts: servers between leaving the queue and being ready.
        active_servers: servers that are not at rest.
    """

    concurrent_starts: int = 0
    active_servers: int = 0


def check_active(limits: Limits, active: int) -> None:
    """Return if one more server may become active.

    Raises:
        PerijoveError: LIMITED.
    """
    if limits.active_servers and active >= limits.active_servers:
        raise PerijoveError(Code.LIMITED, "Active user limit exceeded. Try again in a few minutes.")


def queue_position(server: Server, active: Iterable[Server], limits: Limits) -> int:
    """Return how many must go before *server*; 0 if it may start now.

    Args:
        server: a server that is queued.
        active: all servers that are not at rest, *server* among them.
        limits: how many may start at once.
    """
    if not limits.concurrent_starts:
        return 0
    others = [other for other in active if other.id != server.id]
    occupied = sum(other.state in OCCUPYING for other in others)
    earlier = sum(
        other.state is State.QUEUED
        and other.requested is not None
        and server.requested is not None
        and (other.requested, other.id) < (server.requested, server.id)
        for other in others
    )
    return max(0, occupied + earlier - limits.concurrent_starts + 1)
