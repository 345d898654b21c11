"""One transaction at a time, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Hands out turns to tasks."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this task's turn. Raises RuntimeError if it has it already: it would wait for itself for ever."""
        task = asyncio.current_task()
        if task is not None and task is self._holder:
            raise RuntimeError("a transaction within a transaction")
        async with self._lock:
            self._holder = task
            try:
                yield
            finally:
                self._holder = None
