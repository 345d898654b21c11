"""Sharing servers: the page on which somebody shares theirs, and the one behind a link with a share code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.guessing import Try
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.paging import Window
from perijove.hub.core.scopes import Catalogue
from perijove.hub.core.servers import Server
from perijove.hub.core.shares import Share, ShareCode
from perijove.hub.core.texts import mark
from perijove.hub.usecases import shares
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.shares import CodeView, HolderKind, HolderName, ServerName, ShareView
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, address_of
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import FormVisitor, PageVisitor, go, next_target, server_path, server_view
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)
NOBODY = mark("Write with whom: the name of a user or group.")

ShownCode = Annotated[str, Query(description="The share code")]

WORDS: Final = {
    "access:servers": mark("Open it, and see and change everything in it"),
    "read:servers": mark("See whether it runs"),
    "servers": mark("Start and stop it"),
    "start:servers": mark("Start it"),
    "delete:servers": mark("Stop and delete it"),
    "shares": mark("Open it, and share it with others"),
    "read:shares": mark("See with whom it is shared"),
}
"""What the usual scopes of a share allow, said of "the server"."""

OFFERS: Final = {
    "use": (("access:servers",), mark("Open it")),
    "run": (("access:servers", "servers"), mark("Open it, and start and stop it")),
}
"""What the page offers to give: the scopes, and how that is called."""

DAY: Final = 86_400
CODE_LIFETIMES: Final = (3600, DAY, 7 * DAY, 30 * DAY)
MAX_SHOWN: Final = 200
"""How many shares and codes of a server the page shows."""

Name = Annotated[str, Form(max_length=255)]
Offer = Annotated[Literal["use", "run"], Form()]


@router.get("/accept-share")
async def ask(request: Request, hub: Hub, visitor: PageVisitor, code: ShownCode = "") -> Response:
    """Say who shares which server, and what that allows; nothing changes before the visitor says yes."""
    offer = await _offer(request, hub, visitor, code)
    return render(
        request,
        "accept_share.html",
        server=server_view(hub, offer.server),
        allows=described(offer.code, hub.ctx.catalogue),
    )


@router.post("/accept-share")
async def accept(request: Request, hub: Hub, visitor: FormVisitor, code: ShownCode = "") -> Response:
    """Give the visitor what the code gives, and lead to the server."""
    await _offer(request, hub, visitor, code)
    view = await shares.accept(hub.ctx, visitor.user, code)
    return go(next_target(request, hub, request.query_params.get("next"), hub.servers.url(view.server)))


async def _offer(request: Request, hub: HubState, visitor: Visitor, code: str) -> CodeView:
    """Return what *code* gives. Raises PerijoveError NOT_FOUND; FORBIDDEN for one's own; LIMITED for who guesses."""
    async with hub.guard.guarding(Try("share-code", visitor.user.name, address_of(request))):
        offer = await shares.offered(hub.ctx, code)
    shares.check_not_own(visitor.user, offer)
    return offer


def described(shared: Share | ShareCode, catalogue: Catalogue) -> list[str]:
    """Return in words what *shared* gives; scopes that are none here any more give nothing."""
    return [WORDS.get(base, catalogue.definitions[base].description) for base in shared.scopes if base in catalogue]


@router.get("/share/{user_name}")
@router.get("/share/{user_name}/{server_name}")
async def share_page(
    request: Request, hub: Hub, visitor: PageVisitor, user_name: str, server_name: str = ""
) -> Response:
    """Show with whom a server is shared, and the forms to share it."""
    return await _page(request, hub, visitor, ServerName(normalize_user_name(user_name), server_name))


@router.post("/share/{user_name}/give")
@router.post("/share/{user_name}/{server_name}/give")
async def give(
    request: Request,
    hub: Hub,
    visitor: FormVisitor,
    user_name: str,
    server_name: str = "",
    kind: Annotated[HolderKind, Form()] = "user",
    name: Name = "",
    offer: Offer = "use",
) -> Response:
    """Share a server with a user or group; once more changes nothing."""
    server = ServerName(normalize_user_name(user_name), server_name)
    typed = {"kind": kind, "name": name, "offer": offer}
    try:
        if not name.strip():
            raise invalid(NOBODY)
        await shares.give(hub.ctx, visitor.principal, server, HolderName(kind, name.strip()), list(OFFERS[offer][0]))
    except PerijoveError as error:
        return await _page(request, hub, visitor, server, error=error, typed=typed)
    return go(_url(hub, server))


@router.post("/share/{user_name}/take-back")
@router.post("/share/{user_name}/{server_name}/take-back")
async def take_back(
    hub: Hub,
    visitor: FormVisitor,
    user_name: str,
    server_name: str = "",
    kind: Annotated[HolderKind, Form()] = "user",
    name: Name = "",
) -> Response:
    """Share a server no longer with a user or group."""
    server = ServerName(normalize_user_name(user_name), server_name)
    await shares.take_back(hub.ctx, visitor.principal, server, HolderName(kind, name), [])
    return go(_url(hub, server))


@router.post("/share/{user_name}/code")
@router.post("/share/{user_name}/{server_name}/code")
async def make_code(
    request: Request,
    hub: Hub,
    visitor: FormVisitor,
    user_name: str,
    server_name: str = "",
    offer: Offer = "use",
    expires_in: Annotated[int, Form()] = DAY,
    number: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Make a link with which whoever has it gets a share, and show it; a form that comes twice makes one."""
    server = ServerName(normalize_user_name(user_name), server_name)
    try:
        made = await shares.create_code(
            hub.ctx,
            visitor.principal,
            server,
            list(OFFERS[offer][0]),
            expires_in=expires_in,
            value=security.once(hub.settings, visitor, "share code", repr((number, server, offer, expires_in)))
            if number
            else "",
        )
    except PerijoveError as error:
        return await _page(request, hub, visitor, server, error=error)
    return await _page(request, hub, visitor, server, made=made)


@router.post("/share/{user_name}/revoke-code")
@router.post("/share/{user_name}/{server_name}/revoke-code")
async def revoke_code(
    hub: Hub,
    visitor: FormVisitor,
    user_name: str,
    server_name: str = "",
    code_id: Annotated[int, Form(ge=0, le=2**53)] = 0,
) -> Response:
    """Let a link give nothing any more; one that is gone already is what was wanted."""
    server = ServerName(normalize_user_name(user_name), server_name)
    try:
        await shares.revoke_code(hub.ctx, visitor.principal, server, code_id=code_id)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    return go(_url(hub, server))


def _url(hub: HubState, server: ServerName) -> str:
    return f"{hub.settings.prefix}share/{server_path(Server(0, 0, server.owner, server.name))}"


async def _page(
    request: Request,
    hub: HubState,
    visitor: Visitor,
    name: ServerName,
    *,
    error: PerijoveError | None = None,
    typed: dict[str, str] | None = None,
    made: CodeView | None = None,
) -> Response:
    if error is not None and STATUS[error.code] >= 500:
        raise error
    principal, window = visitor.principal, Window(0, MAX_SHOWN)
    server = await hub.servers.get(principal, name.owner, name.name)
    given: Sequence[ShareView] = ()
    codes: Sequence[CodeView] = ()
    if server.id:
        given = (await shares.list_of_owner(hub.ctx, principal, name.owner, name.name, window)).items
        codes = (await shares.list_codes(hub.ctx, principal, name.owner, name.name, window)).items
    url = _url(hub, name)
    response = render(
        request,
        "share.html",
        server=server_view(hub, server),
        exists=server.id != 0,
        action=url,
        given=[_given(view.share, hub.ctx.catalogue) for view in given],
        codes=[_code(view, hub.ctx.catalogue) for view in codes],
        made=None if made is None else {"link": _link(request, hub, made), "code": made.code},
        error=error.message if error is not None else "",
        typed={"kind": "user", "name": "", "offer": "use"} | (typed or {}),
        offers=[(key, words) for key, (_, words) in OFFERS.items()],
        lifetimes=CODE_LIFETIMES,
        lifetime=DAY,
        number=security.form_number(),
        again_url=url,
    )
    response.status_code = 200 if error is None else STATUS[error.code]
    return response


def _given(share: Share, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "kind": "user" if share.group_id is None else "group",
        "name": share.user_name or share.group_name,
        "words": described(share, catalogue),
        "created": share.created,
    }


def _code(view: CodeView, catalogue: Catalogue) -> dict[str, Any]:
    code = view.code
    return {
        "id": code.id,
        "words": described(code, catalogue),
        "created": code.created,
        "expires": code.expires,
        "count": code.exchange_count,
    }


def _link(request: Request, hub: HubState, made: CodeView) -> str:
    accept = urlencode({"code": made.value})
    return f"{security.own_origin(request, hub.settings)}{hub.settings.prefix}accept-share?{accept}"
