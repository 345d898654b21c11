"""Starting, waiting, stopping, and what stands at the address of a server that is not running."""

from __future__ import annotations

import asyncio
import math
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from perijove.hub.core.errors import Code, PerijoveError, invalid, not_found
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Server, State
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, find_caller, hub_of
from perijove.hub.web.pages.common import (
    FormVisitor,
    PageVisitor,
    SignInFirst,
    go,
    next_target,
    raw_path,
    raw_query,
    server_path,
    server_view,
    with_next,
)
from perijove.hub.web.pages.landing import operators_redirect
from perijove.hub.web.pages.starting import starting_page
from perijove.hub.web.permissions import Router, public
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState
from perijove.wire.prefixes import escape_name

router = Router(include_in_schema=False)
STOPPED_SERVER = public("It answers for servers that are not there, to browsers and scripts alike")
MAX_REDIRECTS = 4


@router.get("/spawn-pending/{user_name}")
@router.get("/spawn-pending/{user_name}/{server_name}")
async def pending(request: Request, hub: Hub, visitor: PageVisitor, user_name: str, server_name: str = "") -> Response:
    """Show how a start goes, or why it failed; never starts anything."""
    server = await hub.servers.get(visitor.principal, normalize_user_name(user_name), server_name)
    target = next_target(request, hub, request.query_params.get("next"))
    if server.ready:
        return go(target or hub.servers.url(server))
    if server.state is State.STOPPED:
        return not_running(request, hub, visitor.principal, server, target)
    response = await starting_page(request, hub, visitor, server, target)
    response.status_code = 500 if server.state is State.FAILED else 200
    return response


@router.post("/stop/{user_name}")
@router.post("/stop/{user_name}/{server_name}")
async def stop(request: Request, hub: Hub, visitor: FormVisitor, user_name: str, server_name: str = "") -> Response:
    """Stop a server and go back to where the button was."""
    server = await hub.servers.stop(visitor.principal, normalize_user_name(user_name), server_name)
    await hub.servers.settle(server, hub.settings.slow_stop)
    own = server.user_name == visitor.user.name
    return go(f"{hub.settings.prefix}{'home' if own else 'admin'}")


def not_running(
    request: Request,
    hub: HubState,
    principal: Principal,
    server: Server,
    target: str,
    *,
    status: int = 200,
    start_action: str = "",
) -> Response:
    """Return the page that offers to start *server*; *start_action* is where its button leads, if not as usual."""
    view = server_view(hub, server)
    own = server.user_name == principal.name
    may_start = principal.may("start:servers", user=server.user_name, server=server.name)
    # One that failed would fail again and again.
    starts_itself = own and may_start and not server.failure and not start_action
    response = render(
        request,
        "not_running.html",
        server=view,
        start_action=start_action or with_next(view["start_action"], target),
        next_url=target,
        own=own,
        may_start=may_start,
        starts_after=math.ceil(hub.settings.landing.start_after) if starts_itself else 0,
        owner=server.user_name,
    )
    response.status_code = status
    return response


@router.api_route(
    "/user/{path:path}",
    dependencies=[STOPPED_SERVER],
    methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
)
async def address_of_server(request: Request, hub: Hub) -> Response:
    """Answer for the address of a server that the proxy has no route for."""
    return await answer_for_server(request, raw_path(request).removeprefix(f"{hub.settings.prefix}user/"))


async def answer_for_server(request: Request, path: str) -> Response:
    """Answer for ``<base_url>user/<path>``, *path* as the browser wrote it."""
    hub = hub_of(request)
    asks_json = request.method != "GET" or _asks_json(request, path)
    principal = await _who(request, hub)
    if principal is None:
        if asks_json:
            return stopped_json(hub, path)
        raise SignInFirst
    server = await _find_server(hub, principal, path)
    if request.method != "GET" or (asks_json and not server.ready):
        return stopped_json(hub, path)
    here = f"{hub.settings.base_url}user/{path}"
    if server.ready:
        return await _back(request, hub, f"{hub.settings.site.origin_of('user', server.user_name)}{here}")
    target = next_target(request, hub, f"{here}{raw_query(request)}")
    may_follow = principal.may("read:servers", user=server.user_name, server=server.name)
    if may_follow and (server.active or server.state is State.FAILED):
        return go(with_next(f"{hub.settings.prefix}spawn-pending/{server_path(server)}", target))
    security.check_page_request(request)
    return not_running(request, hub, principal, server, target, status=hub.settings.landing.stopped_status)


async def _who(request: Request, hub: HubState) -> Principal | None:
    try:
        return await find_caller(request, hub)
    except PerijoveError as error:
        # A script in a server's page, with the visitor's cookie and without our token, learns only "not running".
        if error.code is Code.FORBIDDEN:
            return None
        raise


async def _find_server(hub: HubState, principal: Principal, path: str) -> Server:
    """Return the server whose address *path* is: a named one if there is one of that name, else the default one."""
    user_name, name = (unquote(part) for part in (*path.split("/", 2), "")[:2])
    error: PerijoveError | None = None
    for wanted in (name, "") if name else ("",):
        try:
            user_name = normalize_user_name(user_name)
            return await hub.servers.get(principal, user_name, wanted, scope="access:servers")
        except PerijoveError as refused:
            if refused.code not in {Code.NOT_FOUND, Code.FORBIDDEN, Code.INVALID}:
                raise
            error = refused
    raise not_found("Nothing is here, or you may not see it.") from error


def _asks_json(request: Request, path: str) -> bool:
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return True
    accept = request.headers.get("accept", "")
    return "api" in path.split("/") or ("application/json" in accept and "text/html" not in accept)


def stopped_json(hub: HubState, path: str) -> Response:
    """Answer for ``<base_url>user/<path>`` that no server runs there, as JupyterLab understands it."""
    user_name = escape_name(unquote(path.partition("/")[0]))
    here, start = f"{hub.settings.base_url}user/{user_name}/", f"{hub.settings.prefix}spawn/{user_name}"
    message = f"JupyterHub server no longer running at {here}. Restart the server at {start}"
    status = hub.settings.landing.stopped_status
    return JSONResponse({"status": status, "message": message}, status_code=status)


async def _back(request: Request, hub: HubState, here: str) -> Response:
    """Send the browser to the server once more: its route was just made. Give up when that happens again and again."""
    counted = request.query_params.get("redirects", "0")
    redirects = int(counted) if counted.isascii() and counted.isdigit() and len(counted) < 3 else MAX_REDIRECTS
    if redirects >= MAX_REDIRECTS:
        raise PerijoveError(Code.UNAVAILABLE, "The proxy does not lead to this server. Try again in a moment.")
    if redirects:
        await hub.routes.reconcile()
        await asyncio.sleep(min(2**redirects / 4, 2))
    query = [part for part in raw_query(request)[1:].split("&") if part and part.partition("=")[0] != "redirects"]
    return RedirectResponse(f"{here}?{'&'.join([*query, f'redirects={redirects + 1}'])}", status_code=302)


@router.get("/user-redirect")
@router.get("/user-redirect/{path:path}")
async def user_redirect(request: Request, hub: Hub, visitor: PageVisitor) -> Response:
    """Lead to the rest of the address on the visitor's own server, started if need be."""
    path = raw_path(request).removeprefix(f"{hub.settings.prefix}user-redirect").lstrip("/")
    if chosen := await operators_redirect(request, hub, visitor, path):
        return RedirectResponse(chosen, status_code=302)
    server = "/".join(escape_name(name) for name in (visitor.user.name, hub.settings.landing.server_name) if name)
    target = next_target(request, hub, f"{hub.settings.base_url}user/{server}/{path}{raw_query(request)}")
    if not target:
        raise invalid("That is no address of a server")
    return RedirectResponse(with_next(f"{hub.settings.prefix}spawn/{server}", target), status_code=302)
