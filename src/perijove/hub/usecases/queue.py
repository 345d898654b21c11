"""Starts that wait for a free place among the concurrent ones.

All who want to know their place at a moment share one look at the store, however many they are.
"""

from __future__ import annotations

import asyncio

from perijove.hub.core.admission import Limits, Line, Place, place_of
from perijove.hub.core.failures import timed_out
from perijove.hub.core.servers import Event, Server
from perijove.hub.core.texts import say
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.lifecycle import Lifecycle, Outcome
from perijove.hub.usecases.signals import QUEUE, Signals

LOOK = 1.0
TOLD_APART = 2.0
"""Seconds between two steps that say where somebody stands: each is stored, and all who wait move at once."""


class Queue:
    """The order of starts, read from the store at each look."""

    def __init__(self, ctx: Context, lifecycle: Lifecycle, signals: Signals, limits: Limits) -> None:
        self._ctx = ctx
        self._lifecycle = lifecycle
        self._signals = signals
        self._limits = limits
        self._one_at_a_time = asyncio.Lock()
        self._next_look: asyncio.Task[Line] | None = None

    async def place(self, server: Server) -> Place:
        """Return where *server* stands in the queue."""
        if not self._limits.concurrent_starts:
            return Place(0)
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look())
        # Whoever goes away leaves the look to the others.
        line = await asyncio.shield(self._next_look)
        return place_of(server, line, self._limits, self._lifecycle.recent_starts)

    async def _look(self) -> Line:
        async with self._one_at_a_time:
            # Whoever asks from now on is told what is so from now on.
            self._next_look = None
            return Line.of(await self._lifecycle.stored(lambda tx: tx.servers.list_active()))

    async def admit(self, server: Server) -> Outcome:
        """Wait until there is room for *server*, and tell those who watch where it stands; BROKE if it takes too long.

        The clock of waiting began when the start was asked for, whichever hub process waits.
        """
        told, told_at = -1, 0.0
        with self._signals.subscribe(QUEUE) as news:
            while True:
                place = await self.place(server)
                if place.position == 0:
                    return Outcome(Event.ADMITTED)
                now = self._ctx.clock.now()
                limit = self._limits.queue_seconds
                if limit is not None and server.requested and (now - server.requested).total_seconds() >= limit:
                    failure = timed_out(say("get a free place"), limit)
                    return Outcome(Event.BROKE, failure)
                moment = self._ctx.clock.monotonic()
                if told < 0 or (place.position != told and moment - told_at >= TOLD_APART):
                    told, told_at = place.position, moment
                    await self._lifecycle.note(server, 0, place.message)
                await news.wait(LOOK)
