"""Home: the visitor's servers, what was shared with them, and the services they may use."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.names import normalize_user_name, server_name_for
from perijove.hub.core.paging import Window
from perijove.hub.core.servers import Server
from perijove.hub.core.texts import mark
from perijove.hub.usecases import shares, users
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.shares import HolderName, ServerName
from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import (
    FormVisitor,
    PageVisitor,
    ScriptVisitor,
    go,
    server_path,
    server_view,
    server_views,
)
from perijove.hub.web.pages.landing import operators_page
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)
NO_NAME = mark("A name needs at least one of the letters a to z.")
MAX_TYPED = 255
MAX_SHARED = 100
"""How many shared servers the page shows."""

Typed = Annotated[str, Form(max_length=MAX_TYPED)]


@router.get("/")
async def root(request: Request, hub: Hub, visitor: PageVisitor) -> Response:
    """Lead to the operator's page, else to the visitor's running server, else to the home page."""
    if page := await operators_page(request, hub, visitor):
        return RedirectResponse(page, status_code=302)
    server = await hub.servers.get(visitor.principal, visitor.user.name, "")
    if hub.settings.landing.to_server and server.ready:
        return RedirectResponse(hub.servers.url(server), status_code=302)
    return RedirectResponse(f"{hub.settings.prefix}home", status_code=302)


@router.get("/home")
async def home(request: Request, hub: Hub, visitor: PageVisitor) -> Response:
    """Show the visitor's servers, and what others share with them."""
    return await _page(request, hub, visitor)


@router.get("/home/facts")
async def facts(request: Request, hub: Hub, visitor: ScriptVisitor) -> Response:
    """Give the part of the page that changes while servers run, for the page itself."""
    return render(request, "home_facts.html", servers=await _own_servers(hub, visitor))


@router.post("/home")
async def add_server(request: Request, hub: Hub, visitor: FormVisitor, server_name: Typed = "") -> Response:
    """Add a named server and go on to start it; one that is there already is only shown."""
    title = server_name.strip()
    if not server_name_for(title):
        return await _page(request, hub, visitor, error=invalid(NO_NAME), typed=title)
    server = Server(0, visitor.user.id, visitor.user.name, server_name_for(title))
    display_name = title if title != server.name else ""
    try:
        server = await hub.servers.create(
            visitor.principal, visitor.user.name, server.name, display_name=display_name or None
        )
    except PerijoveError as error:
        if error.code is Code.CONFLICT and server.name:
            return go(f"{hub.settings.prefix}spawn-pending/{server_path(server)}")
        if STATUS[error.code] >= 500:
            raise
        return await _page(request, hub, visitor, error=error, typed=title)
    return go(f"{hub.settings.prefix}spawn/{server_path(server)}")


@router.post("/rename/{user_name}/{server_name}")
async def rename(
    hub: Hub, visitor: FormVisitor, user_name: str, server_name: str, display_name: Typed = ""
) -> Response:
    """Give a server another name for people."""
    name = normalize_user_name(user_name)
    await hub.servers.change(visitor.principal, name, server_name, display_name=display_name.strip())
    return go(f"{hub.settings.prefix}home")


@router.post("/delete/{user_name}/{server_name}")
async def delete(hub: Hub, visitor: FormVisitor, user_name: str, server_name: str) -> Response:
    """Stop a named server and delete it; one that is gone already is what was wanted."""
    try:
        server = await hub.servers.stop(visitor.principal, normalize_user_name(user_name), server_name, remove=True)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    else:
        await hub.servers.settle(server, hub.settings.slow_stop)
    return go(f"{hub.settings.prefix}home")


@router.post("/shared/{owner}/give-up")
@router.post("/shared/{owner}/{server_name}/give-up")
async def give_up(hub: Hub, visitor: FormVisitor, owner: str, server_name: str = "") -> Response:
    """Take a server that somebody shares off the visitor's list."""
    server = ServerName(normalize_user_name(owner), server_name)
    try:
        await shares.give_up(hub.ctx, visitor.principal, HolderName("user", visitor.user.name), server)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    return go(f"{hub.settings.prefix}home")


async def _page(
    request: Request, hub: HubState, visitor: Visitor, *, error: PerijoveError | None = None, typed: str = ""
) -> Response:
    token, _ = security.form_token(request, hub.settings, visitor)
    response = render(
        request,
        "home.html",
        servers=await _own_servers(hub, visitor),
        facts_url=f"{hub.settings.prefix}home/facts?{urlencode({security.FORM_FIELD: token})}",
        named_servers=hub.servers.rules.named_servers,
        named_server_limit=hub.servers.rules.named_server_limit,
        may_share=visitor.principal.may("shares", user=visitor.user),
        shared=await _shared_with(hub, visitor),
        error=error.message if error is not None else "",
        typed=typed,
    )
    response.status_code = 200 if error is None else STATUS[error.code]
    return response


async def _own_servers(hub: HubState, visitor: Visitor) -> list[dict[str, Any]]:
    """Return the visitor's servers, the default one first, though it may never have run."""
    view = await users.view_of(hub.ctx, visitor.principal, visitor.user.id)
    servers = sorted(view.servers, key=lambda server: server.name)
    if not any(not server.name for server in servers):
        servers.insert(0, Server(0, visitor.user.id, visitor.user.name, ""))
    return await server_views(hub, servers)


async def _shared_with(hub: HubState, visitor: Visitor) -> list[dict[str, Any]]:
    """Return the servers that others share with the visitor, or with their groups."""
    holder = HolderName("user", visitor.user.name)
    page = await shares.list_with(hub.ctx, visitor.principal, holder, Window(0, MAX_SHARED))
    found: dict[int, dict[str, Any]] = {}
    for view in page.items:
        shared = found.setdefault(view.server.id, server_view(hub, view.server) | {"groups": [], "give_up": ""})
        if view.share.group_id is not None:
            shared["groups"].append(view.share.group_name)
        else:
            shared["give_up"] = f"{hub.settings.prefix}shared/{server_path(view.server)}/give-up"
    return list(found.values())
