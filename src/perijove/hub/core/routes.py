"""Which routes the proxy should have, and what to change so that it has them.

A *routespec* ends with a slash, and starts with one or with a host name. Routes of servers on their way up or down are
left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perijove.hub.core.servers import AT_REST, Server, State
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the proxy's table."""

    routespec: str
    target: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
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


def differences(
    fixed: Iterable[Route], servers: Iterable[Server], observed: Mapping[str, Route], site: Site
) -> Changes:
    """Return what to change in the proxy's table.

    Args:
        fixed: what is always there: the routes of the hub and of services.
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
