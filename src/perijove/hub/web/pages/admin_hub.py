"""The hub itself: version, health, the configuration in effect, the proxy's routes, and its end."""

from __future__ import annotations

import platform
from typing import Annotated, Final

from fastapi import Request, Response

import perijove
from perijove.hub.core.errors import forbidden
from perijove.hub.core.paging import Page
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import Field, Filter, back, done_with, seen_with, show
from perijove.hub.web.pages.lists import Offset, paging, window_of
from perijove.hub.web.permissions import Router
from perijove.wire.versions import PROTOCOL_VERSION

router = Router(include_in_schema=False)

CONFIGURATION: Final = "admin/configuration"

Reader = Annotated[Visitor, seen_with("read:hub")]
RouteReader = Annotated[Visitor, seen_with("proxy")]
RouteMender = Annotated[Visitor, done_with("proxy")]
Ender = Annotated[Visitor, done_with("shutdown")]


@router.get("/admin/hub")
async def hub_page(request: Request, hub: Hub, visitor: Reader) -> Response:
    """Show what the hub is made of and whether all of it works."""
    return show(
        request,
        visitor,
        "admin/hub.html",
        "hub",
        facts={
            "version": perijove.__version__,
            "protocol": PROTOCOL_VERSION,
            "python": platform.python_version(),
            "authenticator": f"{hub.authenticator_info.name} {hub.authenticator_info.version}",
            "spawner": f"{hub.spawner_info.name} {hub.spawner_info.version}",
        },
        checks=await hub.administration.health.look(visitor.principal),
        has_configuration=visitor.principal.admin,
        stops_servers=hub.shutdown.servers,
    )


@router.get("/admin/configuration")
async def configuration_page(
    request: Request, hub: Hub, visitor: Reader, name_filter: Filter = "", only: Filter = ""
) -> Response:
    """Show the configuration in effect to administrators."""
    if not visitor.principal.admin:
        raise forbidden("Only administrators see the configuration.")
    wanted = name_filter.casefold()
    options = [
        option
        for option in hub.administration.options
        if wanted in f"{option.section}.{option.name}".casefold() and (only != "set" or option.is_set)
    ]
    sections: dict[str, list[object]] = {}
    for option in options:
        sections.setdefault(option.section, []).append(option)
    return show(
        request,
        visitor,
        "admin/configuration.html",
        "hub",
        option_sections=sections,
        total=len(options),
        search=name_filter,
        only=only,
    )


@router.get("/admin/routes")
async def routes_page(
    request: Request,
    hub: Hub,
    visitor: RouteReader,
    name_filter: Filter = "",
    offset: Offset = 0,
    limit: int | None = None,
) -> Response:
    """Show the proxy's table."""
    observed = sorted((await hub.routes.observed()).items())
    found = [(spec, route) for spec, route in observed if name_filter.casefold() in spec.casefold()]
    window = window_of(offset, limit)
    page = Page(found[window.offset : window.offset + window.limit], window, len(found))
    return show(
        request,
        visitor,
        "admin/routes.html",
        "routes",
        routes=[{"spec": spec, "target": route.target} for spec, route in page.items],
        page=paging(hub, page, "admin/routes", {"name_filter": name_filter}),
        search=name_filter,
    )


@router.post("/admin/routes")
async def mend_routes(request: Request, hub: Hub, visitor: RouteMender) -> Response:
    """Compare the proxy's table with what it should be, and put it right."""
    changes = await hub.routes.reconcile()
    return back(request, hub, "", "routes-checked", len(changes.add) + len(changes.delete), default="admin/routes")


@router.post("/admin/shutdown")
async def shut_down(request: Request, hub: Hub, visitor: Ender, servers: Field = "") -> Response:
    """Stop the hub, and all servers with it if that was ticked."""
    hub.shutdown.ask(visitor.principal, servers=bool(servers))
    return show(request, visitor, "admin/ended.html", "hub", with_servers=bool(servers))
