"""The store on an SQL database: opening, transactions, closing.

What writes has one connection, one thread, and one transaction at a time. A transaction is two or three look-ups of
some tens of microseconds each, and plug-ins are never awaited in one, so waiting in line costs less than a pool would.
What only reads waits in the same line, unless the database is one that is far enough to be worth others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from perijove.hub.adapters.store.lines import Line, Lines, Link
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
from perijove.hub.adapters.store.turns import Holders
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


class Database(Link, Protocol):
    """One database and the connection to it that writes."""

    def readers(self) -> Sequence[Link]:
        """Return connections for what only reads, not yet made; none where it is read on the one that writes."""
        ...

    def mark(self, changes: int) -> Hashable:
        """Return the store's generation, *changes* being how many transactions of ours changed something."""
        ...


class SqlStore:
    """The port ``Store`` on an SQL database; made by `open`."""

    def __init__(self, worker: Worker, database: Database) -> None:
        holders: Holders = set()
        self._database = database
        self._writer = Lines([Line(database, worker)], holders)
        readers = [Line(link, Worker()) for link in database.readers()]
        self._readers = Lines(readers, holders) if readers else self._writer

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
        """Wait for the transactions that run, then close the database and let another hub have it."""
        await self._readers.close()
        await self._writer.close()

    def transaction(self) -> AbstractAsyncContextManager[SqlTransaction]:
        """Begin a transaction; see the port. Raises RuntimeError if this task is in one already."""
        return self._writer.transaction(SqlTransaction)

    def reading(self) -> AbstractAsyncContextManager[SqlTransaction]:
        """Begin a transaction that only reads; see the port. Raises RuntimeError if this task is in one already."""
        return self._readers.transaction(SqlTransaction, reads=True)

    @property
    def alone(self) -> bool:
        """Whether no other hub can use the database while this one does."""
        return isinstance(self._database, SqliteDatabase)

    @property
    def generation(self) -> Hashable:
        """A mark that changes with what is stored; see the port."""
        self._writer.require_open()
        return self._database.mark(self._writer.changes)

    async def ping(self) -> None:
        """Return if the database answers; see the port."""
        async with self.transaction() as transaction:
            await transaction.users.count()
