"""When things were last used: gathered in memory, written together at intervals, never moved back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from perijove.hub.core.errors import invalid
from perijove.hub.core.principals import Principal
from perijove.hub.core.users import User
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.reach import reached
from perijove.hub.usecases.remembered import Remembered
from perijove.hub.usecases.signals import Signals

MAX_AHEAD = timedelta(minutes=59)
"""How far a reported time may lie in the future: clocks differ, and no farther."""


MAX_KNOWN: Final = 8192
"""How many users' numbers, and those of their servers, are remembered at most."""


class _Known(Struct, frozen=True):
    """A user, and the numbers of their servers by name, as the store had them in *generation*."""

    user: User
    servers: Mapping[str, int]
    generation: Hashable


class Activity:
    """Reports not written yet; bounded, because one flush empties it.

    Attributes:
        written: how often reports were written, so that others see when stored times have moved.
    """

    def __init__(self, ctx: Context, signals: Signals | None = None) -> None:
        """Args: *signals* wake those who wait for a server when it reports, as it does as soon as it runs."""
        self.written = 0
        self._known: Remembered[str, _Known] = Remembered(MAX_KNOWN)
        self._ctx = ctx
        self._signals = signals or Signals()
        self._users: dict[int, datetime] = {}
        self._servers: dict[int, datetime] = {}
        self._tokens: dict[int, datetime] = {}

    def token_used(self, token_id: int, user_id: int | None) -> None:
        """Take note that a token was used now, and with it its user if *user_id* is given."""
        now = self._ctx.clock.now()
        _forward(self._tokens, token_id, now)
        if user_id is not None:
            _forward(self._users, user_id, now)

    def user_active(self, user_id: int) -> None:
        """Take note that a user did something now."""
        _forward(self._users, user_id, self._ctx.clock.now())

    async def report(
        self, principal: Principal, user_name: str, at: datetime | None, servers: Mapping[str, datetime]
    ) -> None:
        """Take in what a server says of its user's activity.

        Args:
            principal: whoever reports.
            user_name: whose activity.
            at: the user's last activity, if reported.
            servers: the last activity of their servers by name.

        Raises:
            PerijoveError: INVALID for a time too far in the future or an unknown server; NOT_FOUND, FORBIDDEN.
        """
        principal.require_some("users:activity")
        latest = self._ctx.clock.now() + MAX_AHEAD
        if any(time.utcoffset() is None or time > latest for time in (*servers.values(), *([at] if at else ()))):
            raise invalid("Activity needs a time zone and cannot lie more than 59 minutes in the future")
        known = await self._find(principal, user_name)
        if unknown := [name for name in servers if name not in known.servers]:
            raise invalid(f"No such server: {unknown[0][:80]!r}")
        if at is not None:
            _forward(self._users, known.user.id, at)
        for name, time in servers.items():
            _forward(self._servers, known.servers[name], time)
            self._signals.notify(known.servers[name])

    async def _find(self, principal: Principal, user_name: str) -> _Known:
        """Return what reports about a user are about, if *principal* may report. Raises as `reached` does."""
        generation = self._ctx.store.generation
        known = self._known.get(user_name)
        if known is not None and known.generation == generation:
            principal.require("users:activity", user=known.user)
            return known
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "users:activity", name=user_name)
            servers = {server.name: server.id for server in await tx.servers.list_of([user.id])}
        known = _Known(user, servers, generation)
        self._known.put(user_name, known)
        return known

    def server_used(self, server_id: int, user_id: int, at: datetime) -> None:
        """Take note of traffic that the proxy saw."""
        _forward(self._servers, server_id, at)
        _forward(self._users, user_id, at)

    async def flush(self) -> None:
        """Write what was gathered; what cannot be written now is kept for the next time."""
        users, servers, tokens = self._users, self._servers, self._tokens
        if not (users or servers or tokens):
            return
        self._users, self._servers, self._tokens = {}, {}, {}
        try:
            async with self._ctx.store.transaction() as tx:
                await tx.activity.record(users, servers, tokens)
            self.written += 1
        except BaseException:  # a cancelled one too: the last flush of a hub that stops takes it
            for kept, current in ((users, self._users), (servers, self._servers), (tokens, self._tokens)):
                for key, time in kept.items():
                    _forward(current, key, time)
            raise


def _forward(times: dict[int, datetime], key: int, time: datetime) -> None:
    if key not in times or times[key] < time:
        times[key] = time
