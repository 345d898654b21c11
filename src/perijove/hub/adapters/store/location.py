"""What the operator wrote as database URL, understood.

Messages never repeat a URL: it may hold a password.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from perijove.hub.core.errors import invalid

_SQLITE = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})


def sqlite_file(url: str) -> Path | None:
    """Return the file that *url* means; None for a database in memory.

    Args:
        url: ``sqlite:///relative``, ``sqlite:////absolute``, ``sqlite://`` (in memory), or the name of a file.

    Raises:
        PerijoveError: INVALID, if it is none of these; the message says what can be written instead.
    """
    if not url:
        raise invalid("The database URL is empty; write for instance sqlite:///perijove.sqlite")
    if "://" not in url:
        return Path(url)
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    if kind in {"postgresql", "postgres"}:
        raise invalid(
            "A PostgreSQL database needs asyncpg and is not supported by this version; write sqlite:///<file> instead"
        )
    if parts.scheme not in _SQLITE:
        raise invalid("The database URL names a database that is not supported; write sqlite:///<file> instead")
    if parts.netloc:
        raise invalid("The database URL names a host; a file is written with three slashes, sqlite:///<file>")
    if parts.query or parts.fragment:
        raise invalid("The database URL must end after the name of the file; options after ? or # are not supported")
    name = unquote(parts.path.removeprefix("/"))
    return None if name in {"", ":memory:"} else Path(name)
