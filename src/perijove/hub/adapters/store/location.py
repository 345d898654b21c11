"""What the operator wrote as database URL, understood.

Messages never repeat a URL: it may hold a password.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from perijove.hub.core.errors import invalid

_SQLITE = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})
_POSTGRESQL = frozenset({"postgresql", "postgres"})
_MYSQL = frozenset({"mysql", "mariadb"})


class Sqlite(Struct, frozen=True):
    """An SQLite database.

    Attributes:
        path: its file; None for a database in memory.
    """

    path: Path | None


class Postgresql(Struct, frozen=True):
    """A PostgreSQL database.

    Attributes:
        url: for SQLAlchemy, with the driver that we use; its text hides the password.
    """

    url: URL


def location_of(url: str) -> Sqlite | Postgresql:
    """Return the database that *url* means.

    Args:
        url: ``sqlite:///relative``, ``sqlite:////absolute``, ``sqlite://`` (in memory), the name of a file, or
            ``postgresql://user:password@host:port/database`` with libpq's options after ``?``.

    Raises:
        PerijoveError: INVALID, if it is none of these; the message says what can be written instead.
    """
    if not url:
        raise invalid("The database URL is empty; write for instance sqlite:///perijove.sqlite")
    if "://" not in url:
        return Sqlite(Path(url))
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    if kind in _POSTGRESQL:
        return _postgresql(url)
    if kind in _MYSQL:
        raise invalid(
            "MySQL and MariaDB are not supported; write postgresql://user:password@host/database or sqlite:///<file>"
        )
    if parts.scheme not in _SQLITE:
        raise invalid(
            "The database URL names a database that is not supported; write sqlite:///<file> or "
            "postgresql://user:password@host/database instead"
        )
    if parts.netloc:
        raise invalid("The database URL names a host; a file is written with three slashes, sqlite:///<file>")
    if parts.query or parts.fragment:
        raise invalid("The database URL must end after the name of the file; options after ? or # are not supported")
    name = unquote(parts.path.removeprefix("/"))
    return Sqlite(None if name in {"", ":memory:"} else Path(name))


def _postgresql(url: str) -> Postgresql:
    try:
        made = make_url(url)
        # Whatever driver is named: its options are those of libpq.
        return Postgresql(made.set(drivername="postgresql+psycopg"))
    except (ArgumentError, ValueError):
        # Not with its cause, which may repeat the password.
        raise invalid(
            "The database URL cannot be read; write postgresql://user:password@host:port/database, "
            "with %40 for an @ in the password"
        ) from None
