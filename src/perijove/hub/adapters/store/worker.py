"""The thread in which a connection to the database is used, and how repositories get their work done in it.

SQLite calls block, so they run in a thread; it is always the same one, so that they run in the order in which they were
asked for. A whole repository method is one trip to that thread. (SQLAlchemy's asyncio engine on aiosqlite makes four
trips a statement: 1.1 to 1.4 ms for a transaction with two look-ups, where this takes 0.4.) A method that was begun is
carried out even if its caller is cancelled meanwhile, so the roll-back that follows always comes after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, Table, event, insert

from perijove.hub.adapters.store.errors import translated

P = ParamSpec("P")
R = TypeVar("R", bound="Repository")
T = TypeVar("T")
WROTE: Final = "perijove wrote"


class Worker:
    """A thread that carries out calls one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="perijove-store")

    async def run(self, call: Callable[[], T]) -> T:
        """Return what *call* returns in the thread. Raises what it raises, database errors as `PerijoveError`."""
        # Without the shield, cancelling the caller would drop a call that the thread has not taken up yet.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, _translating, call))

    def post(self, call: Callable[[], object]) -> None:
        """Have *call* carried out in its turn; nobody learns what comes of it."""
        self._thread.submit(call)

    def end(self) -> None:
        """Let the thread end once it has done what it was given."""
        self._thread.shutdown(wait=False)


def _translating(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:
        meant = translated(error)
        if meant is error:
            raise
        raise meant from error


class Unit:
    """What the repositories of one transaction share.

    Attributes:
        worker: whose thread it is in.
        reads: whether it is only to read.
        over: whether the transaction has ended.
        wrote: whether anything was written.
        changed: whether any of that is what answers are made of.
    """

    __slots__ = ("_begin", "_connection", "changed", "over", "reads", "worker", "wrote")

    def __init__(self, worker: Worker, begin: Callable[[], Connection], reads: bool = False) -> None:
        self.worker = worker
        self.reads = reads
        self._begin = begin
        self._connection: Connection | None = None
        self.over = False
        self.wrote = False
        self.changed = False

    @property
    def connection(self) -> Connection:
        """The connection, for use in the worker's thread; the first use begins the transaction."""
        if self._connection is None:
            self._connection = self._begin()
        return self._connection

    def carry_out(self, call: Callable[[], T], seen: bool) -> T:
        """Return what *call* returns, and take note if it wrote anything; *seen* says whether that counts.

        Raises RuntimeError if it wrote where it was only to read.
        """
        info = self.connection.info
        info[WROTE] = False
        result = call()
        self.wrote = self.wrote or info[WROTE]
        self.changed = self.changed or (seen and info[WROTE])
        if self.reads and self.wrote:
            raise RuntimeError("nothing can be written here: it was begun for reading")
        return result


class Repository:
    """One group of the port's methods, within one transaction; those marked `in_worker` run in the worker's thread."""

    __slots__ = ("unit",)

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    @property
    def connection(self) -> Connection:
        """The connection, for use in the worker's thread."""
        return self.unit.connection

    def insert(self, table: Table, values: Mapping[str, Any]) -> int:
        """Add a row in the worker's thread and return its id."""
        return int(self.connection.execute(insert(table), values).inserted_primary_key[0])  # type: ignore[index]


def in_worker(method: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
    """Make of a blocking repository method one that is awaited. Raises RuntimeError once the transaction is over."""
    return _awaited(method, seen=True)


def in_worker_unseen(method: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
    """As `in_worker`, for a method that writes nothing an answer is made of: the store's generation goes on."""
    return _awaited(method, seen=False)


def _awaited(method: Callable[Concatenate[R, P], T], seen: bool) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
    @wraps(method)
    async def call(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        unit = self.unit
        if unit.over:
            raise RuntimeError("the transaction is over")
        return await unit.worker.run(lambda: unit.carry_out(lambda: method(self, *args, **kwargs), seen))

    return call


def note_writes(engine: Engine) -> None:
    """Let the connections of *engine* note, under `WROTE` in their ``info``, that a statement wrote rows."""

    @event.listens_for(engine, "after_cursor_execute")
    def note(connection: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        writes = context.isinsert or context.isupdate or context.isdelete
        # With RETURNING, SQLite counts rows as they are fetched: it has written by now, but says 0.
        if writes and (cursor.rowcount != 0 or cursor.description is not None):
            connection.info[WROTE] = True
