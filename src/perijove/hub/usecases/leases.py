"""What only one of several hub processes does at a time, by a lease in the store."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.usecases.context import Context

log = structlog.get_logger(__name__)
LEASE: Final = timedelta(seconds=30)
"""How long a hub process that says nothing more is believed to be at work."""
RENEW_INTERVAL: Final = 10.0
LOOK_INTERVAL: Final = 5.0
"""Seconds between two tries to take over what another hub process holds."""


class Lease:
    """One thing that this hub process does, waits for or has lost to another.

    Args:
        ctx: ports.
        name: what is done; at most 255 characters.
        owner: names this process.
    """

    def __init__(self, ctx: Context, name: str, owner: str) -> None:
        self._ctx = ctx
        self._name = name
        self._owner = owner

    async def granted(self) -> None:
        """Return once this process holds the lease, however long that takes."""
        while True:
            if await self._claimed(unknown=False):
                return
            await asyncio.sleep(LOOK_INTERVAL)

    async def lost(self) -> None:
        """Keep the lease, and return once another process holds it: this one was silent for too long.

        While the store is away nobody knows, and who holds it goes on.
        """
        while True:
            await asyncio.sleep(RENEW_INTERVAL)
            if not await self._claimed(unknown=True):
                return

    async def _claimed(self, *, unknown: bool) -> bool:
        now = self._ctx.clock.now()
        try:
            async with self._ctx.store.transaction() as tx:
                return await tx.leases.claim(self._name, self._owner, now + LEASE, now)
        except PerijoveError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
            log.warning("the store is away; who does this is not known", what=self._name)
            return unknown


async def release(ctx: Context, owner: str) -> None:
    """Let other hub processes take over at once what *owner* did. Raises PerijoveError: the store is away."""
    async with ctx.store.transaction() as tx:
        await tx.leases.release(owner)
