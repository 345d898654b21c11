"""Wakes those who wait for news of a server in this process.

The store stays the truth: a waiter also looks there from time to time, as another hub process may have made the news.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

QUEUE = 0
"""The number under which news of a free place among the starts is given; no server has it."""


class Signals:
    """News by server id."""

    def __init__(self) -> None:
        self._waiting: defaultdict[int, set[asyncio.Event]] = defaultdict(set)

    def notify(self, server_id: int) -> None:
        """Wake everybody who waits for *server_id*."""
        for event in self._waiting.get(server_id, ()):
            event.set()

    def subscribe(self, server_id: int) -> Subscription:
        """Listen from now on; use the answer as a context manager."""
        return Subscription(self._waiting, server_id)


class Subscription:
    """One listener; news between two waits is not lost."""

    def __init__(self, waiting: defaultdict[int, set[asyncio.Event]], server_id: int) -> None:
        self._waiting = waiting
        self._server_id = server_id
        self._event = asyncio.Event()

    def __enter__(self) -> Subscription:
        self._waiting[self._server_id].add(self._event)
        return self

    def __exit__(self, *exc: object) -> None:
        listeners = self._waiting[self._server_id]
        listeners.discard(self._event)
        if not listeners:
            del self._waiting[self._server_id]

    async def wait(self, seconds: float) -> bool:
        """Return True on news, False after *seconds* without any."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
