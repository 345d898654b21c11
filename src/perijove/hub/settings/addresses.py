"""URLs and hosts as operators write them: checked, and completed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from traitlets import TraitError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EVERYWHERE = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - recognised, not bound
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})


def is_everywhere(address: str) -> bool:
    """Say whether listening on *address* means listening on all addresses."""
    return address in _EVERYWHERE


def at_host(address: str) -> str:
    """Return *address* as it stands in a URL: an IPv6 address goes in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, which is its scheme's own if none is written."""
    return parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]


def check_http_url(url: str, *, host_needed: bool = True) -> str:
    """Return *url* if it is one of http or https.

    Args:
        url: what the operator wrote.
        host_needed: False where ``http://:8000`` stands for all addresses.

    Raises:
        TraitError: what is wrong with it.
    """
    try:
        parts = urlsplit(url)
        port_of(parts)
    except KeyError:
        if url.startswith(("http+unix:", "https+unix:", "unix:")):
            raise TraitError("Unix sockets are not available in this version; write http://address:port") from None
        raise TraitError("it must begin with http:// or https://") from None
    except ValueError as error:
        raise TraitError(f"it is no URL: {error}") from None
    if not parts.netloc or (host_needed and not parts.hostname):
        raise TraitError("it names no host")
    if parts.query or parts.fragment or parts.username is not None:
        raise TraitError("it must end after the path and name no user")
    return url


def check_database_url(url: str) -> str:
    """Return *url* if the store can use it: ``sqlite:///file``, the name of a file, or ``postgresql://…``.

    Raises:
        TraitError: what is wrong with it; the message does not repeat a password.
    """
    if not url:
        raise TraitError("it is empty; write for instance sqlite:///jupyterhub.sqlite")
    if "://" not in url:
        return url
    parts = urlsplit(url)
    if is_postgresql(url):
        return url
    if parts.scheme not in _SQLITE:
        raise TraitError(
            "data is kept in SQLite or PostgreSQL only; write sqlite:///jupyterhub.sqlite or "
            "postgresql://user:password@host/database"
        )
    if parts.netloc:
        raise TraitError("a file is written with three slashes: sqlite:///file")
    if parts.query or parts.fragment:
        raise TraitError("it must end after the name of the file")
    return url


def is_postgresql(url: str) -> bool:
    """Say whether *url* is one of a PostgreSQL database, whatever driver it names."""
    return url.partition("://")[0].partition("+")[0] in {"postgresql", "postgres"}


def absolute_database_url(url: str, folder: Path) -> str:
    """Return *url* with the absolute path of its file, starting in *folder*; what is no file stays as it is."""
    if is_postgresql(url):
        return url
    name = url.partition("://")[2].removeprefix("/") if "://" in url else url
    if name in {"", ":memory:"}:
        return "sqlite:///:memory:"
    return f"sqlite:///{folder / Path(name).expanduser()}"
