"""PostgreSQL: shared by several hubs, away at times.

Each transaction takes one lock at its beginning and holds it to its end, so that transactions of all hubs follow each
other as they do on SQLite: nothing is lost, and nothing has to be tried again. A hub that hangs within one loses it
after `IDLE_SECONDS`. One that only reads takes none: it has a connection of its own, and sees everything as of its
first statement. A statement that writes has a savepoint, because here one that fails takes the whole transaction
along, while callers may go on after a conflict.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from perijove.hub.adapters.store.errors import unavailable
from perijove.hub.adapters.store.location import Postgresql
from perijove.hub.adapters.store.migrate import check_current, upgrade
from perijove.hub.adapters.store.notices import Notices
from perijove.hub.adapters.store.tables import tell_postgresql
from perijove.hub.adapters.store.values import json_text
from perijove.hub.adapters.store.worker import note_writes
from perijove.hub.core.errors import invalid

tell_postgresql()

LOCK: Final = 0x70657269_6A6F7665
"""The advisory lock of the store; such locks belong to one database."""
READERS: Final = 4
"""How many connections a hub may have for what only reads, beside the one that writes; each is made when needed."""
READS: Final = "perijove_reads"
"""The execution option of connections whose transactions only read."""
_BEGIN: Final = f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})"
_BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ"
CONNECT_SECONDS: Final = 5
LOCK_SECONDS: Final = 10
IDLE_SECONDS: Final = 30
STATEMENT_SECONDS: Final = 60
PAUSE_SECONDS: Final = 1.0
"""After a connection that failed, how long others are refused at once instead of waiting for theirs to fail."""

_CONNECTING: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "perijove",
    # A server that vanished without a word is given up after these.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_SETTINGS: Final = {
    "timezone": "UTC",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
}


class _Reach:
    """What the connections to one database share: how they are made, and until when nobody tries."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.away_until = 0.0


class PostgresLink:
    """One connection, which is made anew when it is lost; transactions on it only read if it *reads*."""

    def __init__(self, reach: _Reach, reads: bool) -> None:
        self._reach = reach
        self._reads = reads
        self.connection: Connection | None = None

    def begin(self) -> Connection:
        """Return the connection with a transaction begun. Raises if the database cannot be reached."""
        if self.connection is None:
            return self._first_begin()
        try:
            self.connection.begin()
        except Exception:
            # What was lost since the last transaction shows here, when nothing is done yet: a second try is safe.
            lost = self._is_lost(self.connection)
            self._drop()
            if not lost:
                raise
            return self._first_begin()
        return self.connection

    def _first_begin(self) -> Connection:
        if time.monotonic() < self._reach.away_until:
            raise unavailable("The database cannot be reached")
        try:
            self.connection = self._reach.engine.connect().execution_options(**{READS: self._reads})
            self.connection.begin()
        except BaseException:
            self._reach.away_until = time.monotonic() + PAUSE_SECONDS
            self._drop()
            raise
        return self.connection

    def commit(self, changed: bool) -> None:
        """Make what was written last; if that fails, it is undone."""
        if self.connection is None:
            return
        try:
            if changed:
                self._tell(self.connection)
            self.connection.commit()
        except BaseException:
            self.rollback()
            raise

    def _tell(self, connection: Connection) -> None:
        """Let others know, once the transaction on *connection* is committed, that it changed something."""

    def rollback(self) -> None:
        """Undo what was written; without the connection the database does it by itself."""
        if self.connection is None:
            return
        try:
            self.connection.rollback()
        except Exception:
            self._drop()
        else:
            if self._is_lost(self.connection):
                self._drop()

    def close(self) -> None:
        """Close the connection."""
        self._drop()

    @staticmethod
    def _is_lost(connection: Connection) -> bool:
        driver = None if connection.closed or connection.invalidated else connection.connection.driver_connection
        return driver is None or driver.closed

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()


class PostgresDatabase(PostgresLink):
    """A database, and the one connection to it that writes."""

    def __init__(self, engine: Engine, notices: Notices) -> None:
        super().__init__(_Reach(engine), reads=False)
        self._notices = notices

    def readers(self) -> Sequence[PostgresLink]:
        """Return connections for what only reads, not yet made."""
        return [PostgresLink(self._reach, reads=True) for _ in range(READERS)]

    def _tell(self, connection: Connection) -> None:
        self._notices.send(connection)

    def close(self) -> None:
        """Close the connection, and hear of nothing any more."""
        self._notices.close()
        super().close()

    def mark(self, changes: int) -> Hashable:
        """Return a mark that changes with our transactions and with those that other hubs tell of."""
        return self._notices.mark(changes)

    def prepare(self, beside_hub: bool) -> None:
        """Bring the schema up to this version, hubs that start together one after the other; or only look at it."""
        with self._reach.engine.connect() as connection:
            if beside_hub:
                check_current(connection)
            else:
                upgrade(connection)


def open_postgres(location: Postgresql, echo: bool, beside_hub: bool = False) -> PostgresDatabase:
    """Reach the database and bring its schema up to this version.

    Args:
        location: which database.
        echo: log every statement, without values.
        beside_hub: change nothing of its schema.

    Raises:
        PerijoveError: INVALID, if psycopg is missing; CONFLICT, if the database belongs to another program or a later
            version.
        sqlalchemy.exc.DBAPIError: it cannot be reached.
    """
    try:
        engine = _engine(location, echo)
    except ModuleNotFoundError:
        raise invalid("PostgreSQL needs psycopg, which is not installed: pip install 'perijove[postgresql]'") from None
    notices = Notices(engine)
    database = PostgresDatabase(engine, notices)
    try:
        database.prepare(beside_hub)
        notices.start()
    except BaseException:
        database.close()
        raise
    return database


def _engine(location: Postgresql, echo: bool) -> Engine:
    engine = create_engine(
        location.url,
        poolclass=NullPool,
        echo=echo,
        hide_parameters=True,
        json_serializer=json_text,
        # What the operator wrote after ? in the URL comes before ours.
        connect_args={name: value for name, value in _CONNECTING.items() if name not in location.url.query},
    )
    note_writes(engine)

    @event.listens_for(engine, "connect")
    def connect(driver: Any, record: object) -> None:
        # Transactions are begun by us: the driver would make the same way twice.
        driver.autocommit = True
        for name, value in _SETTINGS.items():
            driver.execute("SELECT set_config(%s, %s, false)", (name, value))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS)
        connection.connection.cursor().execute(_BEGIN_READING if reads else _BEGIN)

    _save_before_writing(engine)
    return engine


def _save_before_writing(engine: Engine) -> None:
    """Undo a statement that failed by itself, so that the transaction can go on."""
    saved = "perijove savepoint"

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        if context.isinsert or context.isupdate:
            cursor.execute("SAVEPOINT statement")
            connection.info[saved] = True

    @event.listens_for(engine, "after_cursor_execute")
    def after(connection: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        if connection.info.pop(saved, False):
            connection.connection.cursor().execute("RELEASE SAVEPOINT statement")

    @event.listens_for(engine, "handle_error")
    def failed(context: Any) -> None:
        connection = context.connection
        if connection is not None and connection.info.pop(saved, False) and not context.is_disconnect:
            connection.connection.cursor().execute("ROLLBACK TO SAVEPOINT statement")
