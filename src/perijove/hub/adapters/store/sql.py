"""The store on SQLite: opening, transactions, closing.

One connection, one thread, one transaction at a time. A transaction is two or three look-ups of some tens of
microseconds each, and plug-ins are never awaited in one, so waiting in line costs less than a pool would. As the
file is locked against a second hub, a transaction never meets another writer; should somebody write to the file by
hand, BEGIN IMMEDIATE makes it wait at its beginning instead of failing half-way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from perijove.hub.adapters.store.errors import unavailable
from perijove.hub.adapters.store.location import sqlite_file
from perijove.hub.adapters.store.lock import FileLock
from perijove.hub.adapters.store.migrate import HEAD, revision, upgrade
from perijove.hub.adapters.store.sql_accounts import SqlAccounts, SqlInvitations, SqlSessions
from perijove.hub.adapters.store.sql_activity import SqlActivity, SqlAttempts
from perijove.hub.adapters.store.sql_groups import SqlGroups
from perijove.hub.adapters.store.sql_roles import SqlRoles
from perijove.hub.adapters.store.sql_servers import SqlProgress, SqlServers
from perijove.hub.adapters.store.sql_services import SqlServices
from perijove.hub.adapters.store.sql_shares import SqlShareCodes, SqlShares
from perijove.hub.adapters.store.sql_tokens import SqlOAuth, SqlTokens
from perijove.hub.adapters.store.sql_users import SqlUsers
from perijove.hub.adapters.store.turns import Turns
from perijove.hub.adapters.store.values import json_text
from perijove.hub.adapters.store.worker import Unit, Worker, note_writes
from perijove.hub.core.errors import conflict

BUSY_TIMEOUT: Final = 5.0
"""How many seconds to wait for another program, a backup say, to let go of the file."""


class SqlTransaction:
    """All of the store within one transaction."""

    __slots__ = (
        "accounts",
        "activity",
        "attempts",
        "groups",
        "invitations",
        "oauth",
        "progress",
        "roles",
        "servers",
        "services",
        "sessions",
        "share_codes",
        "shares",
        "tokens",
        "users",
    )

    def __init__(self, unit: Unit) -> None:
        self.users = SqlUsers(unit)
        self.accounts = SqlAccounts(unit)
        self.invitations = SqlInvitations(unit)
        self.sessions = SqlSessions(unit)
        self.servers = SqlServers(unit)
        self.progress = SqlProgress(unit)
        self.tokens = SqlTokens(unit)
        self.oauth = SqlOAuth(unit)
        self.roles = SqlRoles(unit)
        self.services = SqlServices(unit)
        self.groups = SqlGroups(unit)
        self.shares = SqlShares(unit)
        self.share_codes = SqlShareCodes(unit)
        self.attempts = SqlAttempts(unit)
        self.activity = SqlActivity(unit)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What `SqlStore.open` acquired and `SqlStore.close` gives back."""

    connection: Connection
    lock: FileLock | None


class SqlStore:
    """The port ``Store`` on an SQLite database; made by `open`."""

    def __init__(self, worker: Worker, opened: _Opened) -> None:
        self._worker = worker
        self._opened: _Opened | None = opened
        self._turns = Turns()
        self._generation = 0

    @classmethod
    async def open(cls, url: str, echo: bool = False, *, beside_hub: bool = False) -> SqlStore:
        """Open the database, make it if there is none, and bring its schema up to this version.

        Args:
            url: see `location.sqlite_file`.
            echo: log every statement, without values.
            beside_hub: leave the database as it is and share it with the hub that may have it. What is written must be
                nothing that a hub could remember otherwise: new rows that nobody has asked for yet.

        Raises:
            PerijoveError: INVALID, if the URL is none of an SQLite database; CONFLICT, if another hub has the database,
                or it belongs to another program or a later version; UNAVAILABLE, if it cannot be opened.
        """
        path = sqlite_file(url)
        worker, opened = Worker(), list[_Opened]()
        try:
            await worker.run(lambda: opened.append(_open(path, echo, beside_hub)))
        except BaseException:
            # Cancelled, it may have been opened all the same.
            await worker.run(lambda: _close(*opened))
            worker.end()
            raise
        return cls(worker, opened[0])

    async def close(self) -> None:
        """Wait for the transaction that runs, then close the database and let another hub have it."""
        async with self._turns.turn():
            opened, self._opened = self._opened, None
            if opened is None:
                return
            try:
                await self._worker.run(lambda: _close(opened))
            finally:
                self._worker.end()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        """Begin a transaction; see the port. Raises RuntimeError if this task is in one already."""
        async with self._turns.turn():
            if self._opened is None:
                raise unavailable("The database is closed")
            unit = Unit(self._worker, self._opened.connection)
            try:
                yield SqlTransaction(unit)
            except BaseException:
                unit.over = True
                await self._worker.run(unit.connection.rollback)
                raise
            unit.over = True
            try:
                await self._worker.run(lambda: _commit(unit.connection))
            finally:
                # After a commit that failed too: nobody knows whether it happened.
                self._generation += unit.changed

    @property
    def generation(self) -> int:
        """How many transactions changed something; see the port. No other hub writes to the file."""
        return self._generation

    async def ping(self) -> None:
        """Return if the database answers; see the port."""
        async with self.transaction() as transaction:
            await transaction.users.count()


def _open(path: Path | None, echo: bool, beside_hub: bool) -> _Opened:
    lock = None
    try:
        if beside_hub:
            return _Opened(_connect_beside(path, echo), None)
        if path is not None:
            lock = FileLock(path)
            # Made by us rather than by SQLite, so that nobody else can read it at any moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return _Opened(_connect(path, echo), lock)
    except BaseException as error:
        if lock is not None:
            lock.release()
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise unavailable(f"The database file {path} cannot be opened: {reason}") from error
        raise


def _connect(path: Path | None, echo: bool) -> Connection:
    connection = _engine(path, echo).connect()
    try:
        with connection.begin():
            revision(connection)
        # Only now is it known to be ours to change.
        _pragma(connection, "journal_mode = WAL", "synchronous = NORMAL")
        upgrade(connection)
        _pragma(connection, "foreign_keys = ON")
        return connection
    except BaseException:
        connection.close()
        raise


def _connect_beside(path: Path | None, echo: bool) -> Connection:
    if path is None or not path.exists():
        raise unavailable(f"There is no database {path}: the first start of the hub makes it")
    connection = _engine(path, echo).connect()
    try:
        with connection.begin():
            if revision(connection) != HEAD:
                raise conflict("The database is of another version; start this version of the hub once")
        _pragma(connection, "foreign_keys = ON")
        return connection
    except BaseException:
        connection.close()
        raise


def _engine(path: Path | None, echo: bool) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: _driver_connection(path),
        poolclass=NullPool,
        echo=echo,
        hide_parameters=True,
        json_serializer=json_text,
    )

    note_writes(engine)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Past SQLAlchemy, whose way would cost as much as a look-up.
        connection.connection.cursor().execute("BEGIN IMMEDIATE")

    return engine


def _driver_connection(path: Path | None) -> sqlite3.Connection:
    # isolation_level None: the driver begins no transactions of its own accord.
    return sqlite3.connect(path or ":memory:", isolation_level=None, timeout=BUSY_TIMEOUT)


def _pragma(connection: Connection, *settings: str) -> None:
    """Set pragmas outside any transaction, where alone some of them have an effect."""
    cursor = connection.connection.cursor()
    for setting in settings:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _close(*opened: _Opened) -> None:
    for each in opened:
        try:
            each.connection.close()
        finally:
            if each.lock is not None:
                each.lock.release()
