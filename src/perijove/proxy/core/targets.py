"""Where a route leads: the address of an upstream server, read from a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_SCHEMES = {"http": ("http", 80), "https": ("https", 443)}
_UNIX_SCHEMES = frozenset(("unix+http", "http+unix"))
MAX_TARGET = 2048


class Endpoint(NamedTuple):
    """What a connection is made to; connections are pooled by this value. ``socket`` is a path, empty for TCP."""

    secure: bool
    host: str
    port: int
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target. ``base`` goes in front of every path (no slash at its end); ``authority`` fits a Host field."""

    url: str
    endpoint: Endpoint
    base: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class BadTarget:
    """Why a target URL is refused, in words for the caller of the admin API."""

    reason: str


def parse_target(url: str) -> Target | BadTarget:
    """Read ``http://host[:port][/base]``, the same with ``https``, or ``unix+http://<percent-encoded path>[/base]``."""
    if len(url) > MAX_TARGET or not _VISIBLE_ASCII.fullmatch(url):
        return BadTarget("the target must be a URL of visible ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return BadTarget("the target is not a valid URL")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return BadTarget("the target must not have a query or a fragment")
    if "@" in parts.netloc:
        return BadTarget("the target must not carry credentials")
    base = parts.path.rstrip("/").encode("ascii")
    if parts.scheme in _UNIX_SCHEMES:
        socket = unquote(parts.netloc)
        if not socket.startswith("/") or "\0" in socket:
            return BadTarget("a socket target names an absolute path, percent-encoded: unix+http://%2Frun%2Fx.sock")
        return Target(url, Endpoint(False, "", 0, socket), base, b"localhost")
    if parts.scheme not in _SCHEMES:
        return BadTarget("the target must start with http://, https:// or unix+http://")
    if not parts.hostname or port == 0:
        return BadTarget("the target must name a host and a port above 0")
    _, default_port = _SCHEMES[parts.scheme]
    endpoint = Endpoint(parts.scheme == "https", parts.hostname, port or default_port)
    return Target(url, endpoint, base, parts.netloc.encode("ascii"))
