"""Connections to the database, and the transactions on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from perijove.hub.adapters.store.errors import unavailable
from perijove.hub.adapters.store.turns import Holders, Turns
from perijove.hub.adapters.store.worker import Unit, Worker

T = TypeVar("T")


class Link(Protocol):
    """A connection to a database, used in one thread only."""

    def begin(self) -> Connection:
        """Return the connection, ready for a transaction of ours, made anew if it was lost."""
        ...

    def commit(self, changed: bool) -> None:
        """Make what was written last, *changed* saying whether other hubs must know; undo it if that fails."""
        ...

    def rollback(self) -> None:
        """Undo what was written."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Line(NamedTuple):
    """A connection, and the thread that uses it."""

    link: Link
    worker: Worker

    async def close(self) -> None:
        """Close the connection and let the thread end."""
        try:
            await self.worker.run(self.link.close)
        finally:
            self.worker.end()


class Lines:
    """Connections that are alike: a transaction has the first one that is free.

    Attributes:
        changes: how many transactions changed what answers are made of.
    """

    def __init__(self, lines: Sequence[Line], holders: Holders) -> None:
        self._free = list(reversed(lines))
        self._count = len(lines)
        self._turns = Turns(self._count, holders)
        self.changes = 0

    def require_open(self) -> None:
        """Return while they can be used. Raises PerijoveError UNAVAILABLE after that."""
        if not self._count:
            raise unavailable("The database is closed")

    @asynccontextmanager
    async def transaction(self, make: Callable[[Unit], T], *, reads: bool = False) -> AsyncIterator[T]:
        """Begin a transaction, as *make* presents it; leaving it commits, or undoes it if it only *reads*.

        Raises RuntimeError if this task is in one already.
        """
        self.require_open()
        async with self._turns.turn():
            # The one that was used last: others are connected only once they are needed.
            line = self._free.pop()
            try:
                unit = Unit(line.worker, line.link.begin, reads)
                try:
                    yield make(unit)
                except BaseException:
                    unit.over = True
                    await line.worker.run(line.link.rollback)
                    raise
                unit.over = True
                if reads:
                    line.worker.post(line.link.rollback)
                elif unit.wrote:
                    await self._commit(line, unit)
                else:
                    # There is nothing to lose, and the next transaction comes after it in any case.
                    line.worker.post(lambda: line.link.commit(False))
            finally:
                self._free.append(line)

    async def _commit(self, line: Line, unit: Unit) -> None:
        try:
            await line.worker.run(lambda: line.link.commit(unit.changed))
        finally:
            # After a commit that failed too: nobody knows whether it happened.
            self.changes += unit.changed

    async def close(self) -> None:
        """Wait for the transactions that run, then close all of them."""
        count, self._count = self._count, 0
        for _ in range(count):
            await self._turns.withdraw()
            await self._free.pop().close()
