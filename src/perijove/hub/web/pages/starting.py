"""The page of a start: how it goes, what the server writes meanwhile, and why it failed if it did."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from perijove.hub.core.admission import WAITING
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.servers import Server
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.models import progress_url
from perijove.hub.web.pages.common import ScriptVisitor, server_path, server_view, with_next
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)
MAX_LOG: Final = 20_000
"""How many characters of a server's log the page shows, the last ones."""


async def starting_page(request: Request, hub: HubState, visitor: Visitor, server: Server, target: str) -> Response:
    """Return the page that follows the start of *server* and then leads to *target*, or to the server itself."""
    view = server_view(hub, server)
    token, _ = security.form_token(request, hub.settings, visitor)
    proof = urlencode({security.FORM_FIELD: token})
    # The steps of waiting say what was; the page says where the start stands now.
    events = [event for event in await hub.servers.history(server) if not event.message.startswith(WAITING)]
    return render(
        request,
        "spawn_pending.html",
        server=view,
        events=events,
        place=await hub.servers.place(server),
        events_url=f"{progress_url(server, hub.settings.prefix)}?{proof}",
        log_page=f"{hub.settings.prefix}spawn-log/{server_path(server)}",
        log_url=f"{hub.settings.prefix}spawn-log/{server_path(server)}?{proof}",
        next_url=target or view["url"],
        elapsed_since=server.requested,
        stop_action=view["stop_action"],
        failure=server.failure,
        retry_action=with_next(view["start_action"], target),
    )


@router.get("/spawn-log/{user_name}")
@router.get("/spawn-log/{user_name}/{server_name}")
async def starting_log(hub: Hub, visitor: ScriptVisitor, user_name: str, server_name: str = "") -> Response:
    """Give the last lines that a server wrote, as plain text, to the page that follows its start."""
    server = await hub.servers.get(visitor.principal, normalize_user_name(user_name), server_name)
    return PlainTextResponse(await _log(hub, visitor, server))


async def _log(hub: HubState, visitor: Visitor, server: Server) -> str:
    """Return the last lines of *server*; none for a visitor who may not read them, or where nobody knows them."""
    try:
        log = await hub.administration.logs.read(visitor.principal, server.user_name, server.name)
    except PerijoveError as error:
        if error.code not in {Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE}:
            raise
        return ""
    return log[-MAX_LOG:]
