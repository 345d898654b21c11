"""Counting what the store holds, for whoever watches the hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

from perijove.hub.core.servers import State
from perijove.hub.usecases.context import Context

PERIODS: Final = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
"""Within which somebody must have been active to count, by the names that dashboards made for JupyterHub read."""


class Gauges(Protocol):
    """Takes what was counted."""

    def set_running(self, servers: int) -> None:
        """Say how many servers run."""
        ...

    def set_users(self, users: int) -> None:
        """Say how many users there are."""
        ...

    def set_active_users(self, period: str, users: int) -> None:
        """Say how many users were active within *period*."""
        ...


class ServersSeen(Protocol):
    """Takes how many servers are in each state now."""

    def look(self, servers: Mapping[State, int]) -> None:
        """Take note of them."""
        ...


async def count(ctx: Context, gauges: Gauges, seen: ServersSeen) -> None:
    """Count servers and users. Raises PerijoveError UNAVAILABLE."""
    async with ctx.store.transaction() as tx:
        servers, users = await tx.servers.count_by_state(), await tx.users.count()
    gauges.set_running(servers.get(State.READY, 0))
    gauges.set_users(users)
    seen.look(servers)


async def count_active_users(ctx: Context, gauges: Gauges) -> None:
    """Count the users who were active lately. Raises PerijoveError UNAVAILABLE."""
    now = ctx.clock.now()
    async with ctx.store.transaction() as tx:
        for period, length in PERIODS.items():
            gauges.set_active_users(period, await tx.users.count(active_since=now - length))
