"""URL prefixes, and how names stand in them.

A *prefix* starts and ends with a slash. ``base_url`` is the prefix of the whole installation.
"""

from functools import lru_cache
from urllib.parse import quote

NAME_SAFE = "@~"
"""Characters of a name that stay as they are in a URL, beside letters, digits and ``_.-``."""


def normalize_base_url(base_url: str) -> str:
    """Return *base_url* with exactly one slash at both ends: ``"a/b"`` gives ``"/a/b/"``, ``""`` gives ``"/"``."""
    path = base_url.strip("/")
    return f"/{path}/" if path else "/"


@lru_cache(maxsize=4096)  # each stands in several addresses of each answer about it
def escape_name(name: str) -> str:
    """Return *name* percent-encoded as one path segment."""
    return quote(name, safe=NAME_SAFE)


def hub_prefix(base_url: str) -> str:
    """Return the prefix of the hub, ``/hub/`` by default."""
    return normalize_base_url(base_url) + "hub/"


def user_prefix(base_url: str, user_name: str) -> str:
    """Return the prefix under which all servers of a user live."""
    return f"{normalize_base_url(base_url)}user/{escape_name(user_name)}/"


def server_prefix(base_url: str, user_name: str, server_name: str = "") -> str:
    """Return the prefix of one server; the default server's name is empty."""
    prefix = user_prefix(base_url, user_name)
    return f"{prefix}{escape_name(server_name)}/" if server_name else prefix


def service_prefix(base_url: str, service_name: str) -> str:
    """Return the prefix of a service."""
    return f"{normalize_base_url(base_url)}services/{escape_name(service_name)}/"
