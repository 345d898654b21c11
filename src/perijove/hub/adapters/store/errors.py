"""What the database's own errors mean to whoever asked. No message holds SQL or a stored value."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, StatementError

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
