"""The store on an SQL database: opening, transactions, closing.

One connection, one thread, one transaction at a time. A transaction is two or three look-ups of some tens of
microseconds each, and plug-ins are never awaited in one, so waiting in line costs less than a pool would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import Connection

from perijove.hub.adapters.store.errors import unavailable
from perijove.hub.adapters.store.location import Sqlite, location_of
from perijove.hub.adapters.store.sql_accounts import SqlAccounts, SqlInvitations, SqlSessions
from perijove.hub.adapters.store.sql_activity import SqlActivity, SqlAttempts
from perijove.hub.adapters.store.sql_groups import SqlGroups
from perijove.hub.adapters.store.sql_leases import SqlLeases
from perijove.hub.adapters.store.sql_long_actions import SqlLongActions
from perijove.hub.adapters.store.sql_pending_sign_ins import SqlPendingSignIns
from perijove.hub.adapters.store.sql_roles import SqlRoles
from perijove.hub.adapters.store.sql_servers import SqlProgress, SqlServers
from perijove.hub.adapters.store.sql_services import SqlServices
from perijove.hub.adapters.store.sql_shares import SqlShareCodes, SqlShares
from perijove.hub.adapters.store.sql_tokens import SqlOAuth, SqlTokens
from perijove.hub.adapters.store.sql_users import SqlUsers
from perijove.hub.adapters.store.sqlite import SqliteDatabase, open_sqlite
from perijove.hub.adapters.store.turns import Turns
from perijove.hub.adapters.store.worker import Unit, Worker


class SqlTransaction:
    """All of the store within one transaction."""

    __slots__ = (
        "accounts",
        "activity",
        "attempts",
        "groups",
        "invitations",
        "leases",
        "long_actions",
        "oauth",
        "pending_sign_ins",
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
        self.long_actions = SqlLongActions(unit)
        self.leases = SqlLeases(unit)
        self.pending_sign_ins = SqlPendingSignIns(unit)


class Database(Protocol):
    """One database and the connection to it, used in the worker's thread only."""

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

    def mark(self, changes: int) -> Hashable:
        """Return the store's generation, *changes* being how many transactions of ours changed something."""
        ...


class SqlStore:
    """The port ``Store`` on an SQL database; made by `open`."""

    def __init__(self, worker: Worker, database: Database) -> None:
        self._worker = worker
        self._database: Database | None = database
        self._turns = Turns()
        self._changes = 0

    @classmethod
    async def open(cls, url: str, echo: bool = False, *, beside_hub: bool = False) -> SqlStore:
        """Open the database, make its tables if there are none, and bring its schema up to this version.

        Args:
            url: see `location.location_of`.
            echo: log every statement, without values.
            beside_hub: leave the database as it is and share it with the hub that may have it. What is written must be
                nothing that a hub could remember otherwise: new rows that nobody has asked for yet.

        Raises:
            PerijoveError: INVALID, if the URL is none of a database that can be used, or psycopg is missing; CONFLICT,
                if another hub has the SQLite file, or the database belongs to another program or a later version;
                UNAVAILABLE, if it cannot be opened.
        """
        location = location_of(url)
        worker, opened = Worker(), list[Database]()

        def make() -> None:
            if isinstance(location, Sqlite):
                opened.append(open_sqlite(location, echo, beside_hub))
            else:
                from perijove.hub.adapters.store.postgres import open_postgres  # takes a tenth of a start

                opened.append(open_postgres(location, echo, beside_hub))

        def undo() -> None:
            for database in opened:
                database.close()

        try:
            await worker.run(make)
        except BaseException:
            # Cancelled, it may have been opened all the same.
            await worker.run(undo)
            worker.end()
            raise
        return cls(worker, opened[0])

    async def close(self) -> None:
        """Wait for the transaction that runs, then close the database and let another hub have it."""
        async with self._turns.turn():
            database, self._database = self._database, None
            if database is None:
                return
            try:
                await self._worker.run(database.close)
            finally:
                self._worker.end()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        """Begin a transaction; see the port. Raises RuntimeError if this task is in one already."""
        async with self._turns.turn():
            database = self._opened()
            unit = Unit(self._worker, database.begin)
            try:
                yield SqlTransaction(unit)
            except BaseException:
                unit.over = True
                await self._worker.run(database.rollback)
                raise
            unit.over = True
            if not unit.wrote:
                # There is nothing to lose, and the next transaction comes after it in any case.
                self._worker.post(lambda: database.commit(False))
                return
            try:
                await self._worker.run(lambda: database.commit(unit.changed))
            finally:
                # After a commit that failed too: nobody knows whether it happened.
                self._changes += unit.changed

    @property
    def alone(self) -> bool:
        """Whether no other hub can use the database while this one does."""
        return isinstance(self._database, SqliteDatabase)

    def _opened(self) -> Database:
        if self._database is None:
            raise unavailable("The database is closed")
        return self._database

    @property
    def generation(self) -> Hashable:
        """A mark that changes with what is stored; see the port."""
        return self._opened().mark(self._changes)

    async def ping(self) -> None:
        """Return if the database answers; see the port."""
        async with self.transaction() as transaction:
            await transaction.users.count()
