"""Which routes the proxy should have, and what to change so that it has them.

A *routespec* ends with a slash, and starts with one or with a host name. Routes of servers on their way up or down are
left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from perijove.hub.core.errors import invalid
from perijove.hub.core.servers import AT_REST, Server, State
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site


class Route(Struct, frozen=True):
    """One row of the proxy's table."""

    routespec: str
    target: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Changes(Struct, frozen=True):
    """What to add (or replace) and what to delete."""

    add: tuple[Route, ...] = ()
    delete: tuple[str, ...] = ()


def hub_route(site: Site, hub_url: str) -> Route:
    """Return the route of the hub, which takes everything that no server takes."""
    return Route(site.hub_routespec, hub_url, {"hub": True})


def server_route(site: Site, server: Server) -> Route:
    """Return the route of a server that listens at ``server.url``."""
    spec = site.server_routespec(server.user_name, server.name)
    return Route(spec, server.url, {"user": server.user_name, "server_name": server.name})


def service_routes(site: Site, services: Iterable[Service]) -> list[Route]:
    """Return the routes of those of *services* that are proxied."""
    return [
        Route(site.service_routespec(service.name), service.target, {"service": service.name})
        for service in services
        if service.url
    ]


def extra_routes(site: Site, wanted: Mapping[str, str]) -> list[Route]:
    """Return the operator's own routes; *wanted* has the URL of each by routespec, whose last slash may be left out.

    Raises:
        PerijoveError: INVALID for a routespec that is the hub's, or does not begin with a slash, or with a host where
            users have hosts; and for a target that is no http:// or https:// URL.
    """
    return [_extra_route(site, spec if spec.endswith("/") else f"{spec}/", target) for spec, target in wanted.items()]


def _extra_route(site: Site, spec: str, target: str) -> Route:
    if spec.startswith("/") == site.has_hosts:
        raise invalid(f"{spec!r} must begin with {'a host, as users have hosts' if site.has_hosts else 'a slash'}")
    if spec == site.hub_routespec or f"/{spec.partition('/')[2]}".startswith(site.prefix):
        raise invalid(f"{spec!r} is the hub's")
    parts = urlsplit(target)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise invalid(f"the target of {spec!r} must be an http:// or https:// URL")
    return Route(spec, target, {"extra": True})


def differences(
    fixed: Iterable[Route], servers: Iterable[Server], observed: Mapping[str, Route], site: Site
) -> Changes:
    """Return what to change in the proxy's table.

    Args:
        fixed: what is always there: the routes of the operator, of the hub and of services, of which later ones win.
        servers: all servers that are not at rest; others have no route.
        observed: the table as the proxy reports it, by routespec; only routes that a hub made.
        site: where browsers find them.
    """
    desired = {route.routespec: route for route in fixed}
    untouched = set()
    for server in servers:
        route = server_route(site, server)
        if server.state is State.READY:
            desired[route.routespec] = route
        elif server.state not in AT_REST:
            untouched.add(route.routespec)
    add = tuple(
        route for spec, route in desired.items() if spec not in observed or observed[spec].target != route.target
    )
    delete = tuple(spec for spec in observed if spec not in desired and spec not in untouched)
    return Changes(add, delete)
