"""SQLite: one file, which this hub has alone.

As the file is locked against a second hub, a transaction never meets another writer; should somebody write to the file
by hand, BEGIN IMMEDIATE makes it wait at its beginning instead of failing half-way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from perijove.hub.adapters.store.errors import unavailable
from perijove.hub.adapters.store.location import Sqlite
from perijove.hub.adapters.store.lock import FileLock
from perijove.hub.adapters.store.migrate import check_current, revision, upgrade
from perijove.hub.adapters.store.values import json_text
from perijove.hub.adapters.store.worker import note_writes

BUSY_TIMEOUT: Final = 5.0
"""How many seconds to wait for another program, a backup say, to let go of the file."""


class SqliteDatabase:
    """An open file, or a database in memory."""

    def __init__(self, connection: Connection, lock: FileLock | None) -> None:
        self.connection = connection
        self._lock = lock

    def begin(self) -> Connection:
        """Return the connection; its first statement begins the transaction."""
        return self.connection

    def commit(self, changed: bool) -> None:
        """Make what was written last. Raises if that fails; it is undone then."""
        try:
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise

    def rollback(self) -> None:
        """Undo what was written."""
        self.connection.rollback()

    def close(self) -> None:
        """Close the file and let another hub have it."""
        try:
            self.connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def readers(self) -> Sequence[SqliteDatabase]:
        """Return none: a read takes less time than to hand it to one of several threads."""
        return ()

    def mark(self, changes: int) -> int:
        """Return how many transactions changed something: no other hub writes to the file."""
        return changes


def open_sqlite(location: Sqlite, echo: bool, beside_hub: bool = False) -> SqliteDatabase:
    """Open the file, make it if there is none, and bring it up to this version.

    Args:
        location: which file.
        echo: log every statement, without values.
        beside_hub: change nothing of it, and share it with the hub that may have it.

    Raises:
        PerijoveError: CONFLICT, if another hub has it, or it belongs to another program or a later version;
            UNAVAILABLE, if it cannot be opened.
    """
    path, lock = location.path, None
    try:
        if beside_hub:
            return SqliteDatabase(_connect_beside(path, echo), None)
        if path is not None:
            lock = FileLock(path)
            # Made by us rather than by SQLite, so that nobody else can read it at any moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return SqliteDatabase(_connect(path, echo), lock)
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
            check_current(connection)
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
