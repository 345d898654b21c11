"""What several pages need: who is there, where to go on, servers in words."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Form, Request
from fastapi.responses import RedirectResponse
from msgspec import Struct

from perijove.hub.core.culling import Ending
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.redirects import local_target
from perijove.hub.core.servers import Server, State
from perijove.hub.core.texts import mark
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import security
from perijove.hub.web.callers import find_visitor, hub_of
from perijove.hub.web.permissions import Access, Who, declare
from perijove.hub.web.state import HubState
from perijove.wire.prefixes import escape_name

STATE_TEXT: Final[dict[State, str]] = {
    State.STOPPED: mark("Not running"),
    State.QUEUED: mark("Waiting for a free place"),
    State.STARTING: mark("Starting"),
    State.ANSWERING: mark("Starting"),
    State.ROUTING: mark("Almost ready"),
    State.READY: mark("Running"),
    State.STOPPING: mark("Stopping"),
    State.FAILED: mark("Failed"),
}

ASK: Final = "ask"
"""In the address of the sign-in page: nobody is signed in there without a press of a button."""

FormToken = Annotated[str, Form(alias="_xsrf")]


class SignInFirst(Exception):
    """Nobody is signed in: the browser goes to the sign-in page and comes back."""


class HeldForm(Struct, frozen=True):
    """What somebody typed into a form: where it goes, and its fields with their values."""

    action: str
    fields: tuple[tuple[str, str], ...]


class EarlierForm(Exception):
    """A form of ours that was made for somebody in a session that is over; nothing was done with it yet."""

    def __init__(self, owner: int | None, held: HeldForm) -> None:
        """Args: *owner* is the id of that user, *held* what they typed."""
        super().__init__()
        self.owner = owner
        self.held = held


async def visitor_of(request: Request) -> Visitor:
    """Return who is signed in. Raises SignInFirst."""
    visitor = await find_visitor(request, hub_of(request))
    if visitor is None:
        raise SignInFirst
    request.state.services = await hub_of(request).services.visible_to(visitor.principal)
    return visitor


async def page_visitor(request: Request) -> Visitor:
    """Return who is signed in, for a page that is read. Raises SignInFirst; PerijoveError FORBIDDEN for scripts."""
    security.check_page_request(request)
    return await visitor_of(request)


async def form_visitor(request: Request, xsrf: FormToken = "") -> Visitor:
    """Return who sent a form, once it is sure that the form was ours.

    Raises:
        SignInFirst: nobody is signed in.
        EarlierForm: the form is the visitor's own, but from an earlier sign-in.
        PerijoveError: FORBIDDEN, for a form of anybody else's.
    """
    settings = hub_of(request).settings
    visitor = await find_visitor(request, hub_of(request))
    owner = security.form_owner(settings, xsrf)
    if visitor is None and owner is None:
        raise SignInFirst
    if visitor is not None:
        request.state.services = await hub_of(request).services.visible_to(visitor.principal)
    try:
        security.check_form(request, settings, visitor, xsrf)
    except PerijoveError:
        security.check_origin(request, settings)
        if owner is None or (visitor is not None and visitor.user.id != owner):
            raise
    else:
        if visitor is not None:
            return visitor
    raise EarlierForm(owner, await hold(request))


async def hold(request: Request) -> HeldForm:
    """Return what was typed into the form that *request* brought, but for passwords and files."""
    typed = [
        (name, value)
        for name, value in (await request.form()).multi_items()
        if isinstance(value, str) and name != security.FORM_FIELD and "password" not in name
    ]
    return HeldForm(f"{raw_path(request)}{raw_query(request)}", tuple(typed))


async def script_visitor(request: Request) -> Visitor:
    """Return for whom a script of ours asks, or who looks themselves. Raises SignInFirst; PerijoveError FORBIDDEN."""
    visitor = await visitor_of(request)
    security.check_call(request, hub_of(request).settings, visitor)
    return visitor


for _visitor in (visitor_of, page_visitor, form_visitor, script_visitor):
    declare(_visitor, Access(Who.SIGNED_IN))

PageVisitor = Annotated[Visitor, Depends(page_visitor)]
FormVisitor = Annotated[Visitor, Depends(form_visitor)]
ScriptVisitor = Annotated[Visitor, Depends(script_visitor)]


def parameters_as(model: type[object]) -> Any:
    """Return the dependency that makes a *model*, a dataclass, of the request's parameters and fields."""

    async def make(**values: object) -> object:
        return model(**values)

    # FastAPI reads it; a class itself would be called in a thread.
    make.__signature__ = inspect.signature(model, eval_str=True)  # type: ignore[attr-defined]
    return Depends(make)


_AS_IT_CAME: Final = "%/:?#[]@!$&'()*+,;=~"


def raw_path(request: Request) -> str:
    """Return the path as the browser wrote it, percent-encoding included: decoding and encoding again may change it."""
    raw = request.scope.get("raw_path")
    return quote(raw, safe=_AS_IT_CAME) if raw else quote(request.scope["path"])


def raw_query(request: Request) -> str:
    """Return the query as the browser wrote it, with its question mark; empty if there is none."""
    raw = request.scope["query_string"]
    return f"?{quote(raw, safe=_AS_IT_CAME)}" if raw else ""


def login_url(hub: HubState, request: Request, *, again: bool | None = None) -> str:
    """Return the sign-in page that leads back to what *request* asked for, or home.

    Args:
        hub: the hub.
        request: what is to be asked for again after signing in.
        again: whether that makes sense; only for what was asked with GET if not given.
    """
    prefix, read = hub.settings.prefix, request.method == "GET"
    target = f"{raw_path(request)}{raw_query(request)}" if (read if again is None else again) else f"{prefix}home"
    # Browsers do not let a form that was sent to us lead to another site, which an automatic sign-in would do.
    ask = {} if read or not _signs_in_by_itself(hub) else {ASK: "1"}
    return f"{prefix}login?{urlencode({'next': target, **ask})}"


def _signs_in_by_itself(hub: HubState) -> bool:
    return hub.authenticator.auto_login or hub.authenticator.auto_login_oauth2_authorize


async def to_sign_in(request: Request, error: Exception) -> RedirectResponse:
    """Answer SignInFirst."""
    return RedirectResponse(login_url(hub_of(request), request), status_code=302)


def go(url: str) -> RedirectResponse:
    """Return the answer to a form: see the page at *url*."""
    return RedirectResponse(url, status_code=303)


def next_target(request: Request, hub: HubState, target: str | None, default: str = "") -> str:
    """Return where to go on, if the wish is one of our own pages."""
    return local_target(
        target,
        base_url=hub.settings.base_url,
        default=default,
        origin=security.own_origin(request, hub.settings),
        hosts=hub.settings.site.has_hosts,
    )


def server_path(server: Server) -> str:
    """Return ``user[/server]`` as it stands in the addresses of pages."""
    path = escape_name(server.user_name)
    return f"{path}/{escape_name(server.name)}" if server.name else path


def with_next(url: str, target: str, **more: str) -> str:
    """Return *url* with where to go on afterwards, if that is known, and *more* parameters."""
    query = urlencode({**({"next": target} if target else {}), **more})
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


async def server_views(hub: HubState, servers: Sequence[Server]) -> list[dict[str, Any]]:
    """Return what templates show of servers: also what they use and when they will be stopped, as far as known."""
    endings, usages = await hub.culler.endings(servers), await hub.usages.of(servers)
    return [
        server_view(hub, server) | {"usage": usages.get(server.id), "ending": _ending_view(hub, endings.get(server.id))}
        for server in servers
    ]


def _ending_view(hub: HubState, ending: Ending | None) -> dict[str, Any] | None:
    """Return how long each end is away, in seconds, None where there is none; and whether to warn of the first."""
    if ending is None or ending.first is None:
        return None
    now = hub.ctx.clock.now()
    return {
        "idle": None if ending.if_idle is None else max(0.0, (ending.if_idle - now).total_seconds()),
        "latest": None if ending.at_latest is None else max(0.0, (ending.at_latest - now).total_seconds()),
        "soon": ending.warn_from is not None and ending.warn_from <= now,
        "for_idleness": ending.first == ending.if_idle,
    }


def server_view(hub: HubState, server: Server) -> dict[str, Any]:
    """Return what templates show of a server."""
    prefix, path = hub.settings.prefix, server_path(server)
    return {
        "name": server.name,
        "title": server.display_name or server.name,
        "owner": server.user_name,
        "state": server.state.value,
        "state_text": STATE_TEXT[server.state],
        "active": server.active,
        "ready": server.ready,
        "url": hub.servers.url(server),
        "display_name": server.display_name,
        "delete_action": f"{prefix}delete/{path}",
        "rename_action": f"{prefix}rename/{path}",
        "share_url": f"{prefix}share/{path}",
        "start_action": f"{prefix}spawn/{path}",
        "stop_action": f"{prefix}stop/{path}",
        "pending_url": f"{prefix}spawn-pending/{path}",
        "started": server.started,
        "last_activity": server.last_activity,
        "failure": server.failure,
        "usage": None,
        "ending": None,
    }
