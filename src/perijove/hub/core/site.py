"""Where browsers find the hub and the servers of users and services: on one host, or each owner on a host of its own.

An *origin* is ``scheme://host[:port]``; a *routespec* is what the proxy knows a route by: ``/path/``, or ``host/path/``
where owners have hosts of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from perijove.hub.core.errors import Code, PerijoveError
from perijove.wire.prefixes import hub_prefix, normalize_base_url, server_prefix, service_prefix

Kind = Literal["user", "service"]
HostHook = Callable[[str, str, str], str]
"""Takes the name of a user or service, the hub's domain and the kind; returns a host name below that domain."""

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


class Site(Struct, frozen=True):
    """One installation, as browsers see it.

    Attributes:
        base_url: the prefix of everything.
        origin: the hub's; empty where it is whatever the browser used.
        host_hook: names the host of each user and service; None where all are on the hub's.
    """

    base_url: str = "/"
    origin: str = ""
    host_hook: HostHook | None = None

    @property
    def prefix(self) -> str:
        """The hub's prefix."""
        return hub_prefix(self.base_url)

    @property
    def has_hosts(self) -> bool:
        """Whether each user has a host of their own."""
        return self.host_hook is not None

    @property
    def domain(self) -> str:
        """The hub's host name; empty without an origin."""
        return urlsplit(self.origin).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether the origin is known to be one of HTTPS."""
        return self.origin.startswith("https://")

    def host_of(self, kind: Kind, name: str) -> str:
        """Return the host name of a user or service, without a port; empty where all are on one host.

        Raises:
            PerijoveError: UNAVAILABLE, if the hook gives no host name below the hub's domain.
        """
        return _host(self.host_hook, name, self.domain, kind) if self.host_hook else ""

    def origin_of(self, kind: Kind, name: str) -> str:
        """Return the origin of a user or service; empty where it is the hub's. Raises as `host_of` does."""
        if not self.host_hook:
            return ""
        parts = urlsplit(self.origin)
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme}://{self.host_of(kind, name)}{port}"

    def is_below(self, host: str) -> bool:
        """Say whether *host*, with or without a port, is one that is set apart for users and services."""
        name = host.rpartition(":")[0] if ":" in host else host
        return self.has_hosts and name.lower().endswith(f".{self.domain}")

    def server_url(self, user_name: str, server_name: str = "") -> str:
        """Return where browsers reach a server: a path, or a full URL where its owner has a host."""
        return self.origin_of("user", user_name) + server_prefix(self.base_url, user_name, server_name)

    def public_server_url(self, user_name: str, server_name: str = "") -> str:
        """Return the full URL of a server; empty where the hub's origin is not known."""
        path = server_prefix(self.base_url, user_name, server_name)
        origin = self.origin_of("user", user_name) or self.origin
        return origin + path if origin else ""

    def service_url(self, name: str) -> str:
        """Return where browsers reach a service: a path, or a full URL where it has a host."""
        return self.origin_of("service", name) + service_prefix(self.base_url, name)

    def public_service_url(self, name: str) -> str:
        """Return the full URL of a service; empty where the hub's origin is not known."""
        origin = self.origin_of("service", name) or self.origin
        return origin + service_prefix(self.base_url, name) if origin else ""

    @property
    def hub_routespec(self) -> str:
        """The route of the hub, which takes everything that nobody else takes."""
        return "/" if self.has_hosts else normalize_base_url(self.base_url)

    def server_routespec(self, user_name: str, server_name: str = "") -> str:
        """Return the route of a server."""
        return self.host_of("user", user_name) + server_prefix(self.base_url, user_name, server_name)

    def service_routespec(self, name: str) -> str:
        """Return the route of a service."""
        return self.host_of("service", name) + service_prefix(self.base_url, name)


@lru_cache(maxsize=4096)
def _host(hook: HostHook, name: str, domain: str, kind: str) -> str:
    try:
        host: object = hook(name, domain, kind)
    except Exception as error:
        raise PerijoveError(Code.UNAVAILABLE, f"c.JupyterHub.subdomain_hook failed: {error!r:.200}") from error
    if not isinstance(host, str) or not host.endswith(f".{domain}") or len(host) > 253 or not _HOST.fullmatch(host):
        raise PerijoveError(
            Code.UNAVAILABLE,
            f"c.JupyterHub.subdomain_hook names no host below {domain} for the {kind} {name[:80]!r}: it must return "
            f"a lower-case name that ends with .{domain}",
        )
    return host
