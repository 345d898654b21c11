"""So many transactions at a time and no more, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Holders = set["asyncio.Task[object] | None"]
"""The tasks that are in a transaction."""


class Turns:
    """Hands out turns to tasks.

    Args:
        count: how many tasks may have one at a time.
        holders: shared by those `Turns` of which together a task may have one turn at a time.
    """

    def __init__(self, count: int = 1, holders: Holders | None = None) -> None:
        self._places = asyncio.Semaphore(count)
        self._holders: Holders = set() if holders is None else holders

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this task's turn. Raises RuntimeError if it has one already: it could wait for itself for ever."""
        task = asyncio.current_task()
        if task in self._holders:
            raise RuntimeError("a transaction within a transaction")
        async with self._places:
            self._holders.add(task)
            try:
                yield
            finally:
                self._holders.discard(task)

    async def withdraw(self) -> None:
        """Wait for a turn, and let nobody have it any more: there is one less from now on."""
        await self._places.acquire()
