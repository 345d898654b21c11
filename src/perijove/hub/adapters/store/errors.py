"""What the database's own errors mean to whoever asked. No message holds SQL or a stored value."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import DBAPIError, StatementError

from perijove.hub.adapters.store.tables import metadata
from perijove.hub.core.errors import Code, PerijoveError, conflict, invalid

RETRY_AFTER: Final = 5

TAKEN: Final = {
    "users.name": "A user of that name exists already",
    "accounts.name": "An account of that name exists already",
    "sessions.key_hash": "That session exists already",
    "sessions.session_id": "That session exists already",
    "servers.user_id": "The user has a server of that name already",
    "groups.name": "A group of that name exists already",
    "services.name": "A service of that name exists already",
    "tokens.token_hash": "That token exists already",
    "oauth_codes.code_hash": "That code exists already",
    "oauth_clients.client_id": "An OAuth client of that id exists already",
    "share_codes.code_hash": "That code exists already",
}
"""The first column of a unique constraint → what is said when it is violated."""

AWAY: Final = {
    "SQLITE_BUSY": "The database is locked by another program",
    "SQLITE_LOCKED": "The database is locked by another program",
    "SQLITE_FULL": "The disk with the database is full",
    "SQLITE_CORRUPT": "The database file is damaged",
    "SQLITE_NOTADB": "The database file is damaged or is no SQLite database",
    "SQLITE_READONLY": "The database cannot be written to",
    "SQLITE_CANTOPEN": "The database file cannot be opened",
    "SQLITE_IOERR": "The disk with the database reports an error",
}
"""SQLite's primary result code → what is said when the database is of no use now."""

GONE: Final = "What this belongs to does not exist any more"


_UNIQUE_VIOLATION: Final = "23505"
_FOREIGN_KEY_VIOLATION: Final = "23503"
_OUT_OF_RANGE: Final = "22003"
_DATA_EXCEPTION: Final = "22"
"""SQLSTATE, or its first characters: PostgreSQL manual, appendix A."""

POSTGRESQL_AWAY: Final = {
    "53": "The database has no room left",
    "28": "The database refuses the name or password in db_url",
    "3D": "The database named in db_url does not exist",
    "42501": "The role in db_url lacks a right in the database",
    "25006": "The database is read-only now",
    "55P03": "The database is locked by another program",
}
"""SQLSTATE, or its first characters → what is said when the database is of no use now."""


def unavailable(message: str) -> PerijoveError:
    """Return an error of code UNAVAILABLE that tells when to try again."""
    return PerijoveError(Code.UNAVAILABLE, message, retry_after=RETRY_AFTER)


def translated(error: Exception) -> Exception:
    """Return what to raise in place of *error*; *error* itself if it is nothing that can be expected of a database."""
    original: BaseException | None = error
    if isinstance(error, StatementError):
        original = error.orig
        if not isinstance(error, DBAPIError):
            # Raised by our own conversion of a value; SQLAlchemy wraps it in the statement.
            return original if isinstance(original, Exception) else error
    if isinstance(original, UnicodeEncodeError):
        return invalid("The text holds characters that cannot be stored")
    if isinstance(original, sqlite3.Error):
        return _meaning(original) or error
    if any(kind.__module__ == "psycopg" for kind in type(original).__mro__):
        return _postgresql_meaning(original) or error
    return error


def _meaning(error: sqlite3.Error) -> PerijoveError | None:
    name = getattr(error, "sqlite_errorname", "")
    if name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        column = str(error).partition(": ")[2].partition(",")[0]
        return conflict(TAKEN.get(column, "It exists already"))
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return conflict(GONE)
    for primary, message in AWAY.items():
        if name == primary or name.startswith(f"{primary}_"):
            return unavailable(message)
    return unavailable("The database reports an error") if isinstance(error, sqlite3.OperationalError) else None


def _postgresql_meaning(error: Any) -> PerijoveError | None:
    # Recognised by name, as psycopg is there only where it is used. Without a state the server said nothing.
    kinds, state = {kind.__name__ for kind in type(error).__mro__}, error.sqlstate or ""
    if state == _UNIQUE_VIOLATION:
        return conflict(TAKEN.get(_first_column(error.diag.constraint_name or ""), "It exists already"))
    if state in {_FOREIGN_KEY_VIOLATION, _OUT_OF_RANGE}:
        return conflict(GONE)
    if state.startswith(_DATA_EXCEPTION) or "DataError" in kinds:
        return invalid("It holds a value that cannot be stored")
    for prefix, message in POSTGRESQL_AWAY.items():
        if state.startswith(prefix):
            return unavailable(message)
    if kinds & {"OperationalError", "InterfaceError", "InternalError"}:
        return unavailable("The database reports an error" if state else "The database cannot be reached")
    return None


def _first_column(constraint: str) -> str:
    """Return the first column of a constraint by the names that ``tables`` gives them."""
    for table in metadata.tables.values():
        for each in table.constraints:
            if isinstance(each, PrimaryKeyConstraint | UniqueConstraint) and each.name == constraint:
                return f"{table.name}.{next(iter(each.columns)).name}"
    return ""
