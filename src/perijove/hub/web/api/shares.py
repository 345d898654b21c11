"""Shares of servers, and codes that become shares."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from msgspec import Struct

from perijove.hub.core.errors import invalid, not_found
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.shares import DEFAULT_LIFETIME, MAX_LIFETIME, MIN_LIFETIME
from perijove.hub.usecases import shares
from perijove.hub.usecases.shares import CodeView, HolderName, ServerName, ShareView
from perijove.hub.web.api.paging import page_response, page_window
from perijove.hub.web.callers import Hub, JsonBody, checked_object, needs, texts
from perijove.hub.web.models import share_code_model, share_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import gives, takes
from perijove.hub.web.state import HubState
from perijove.wire.models import ShareCodeModel, ShareCodePageModel, ShareModel, SharePageModel

router = Router(tags=["shares"])

Lister = Annotated[Principal, needs("read:shares")]
Giver = Annotated[Principal, needs("shares")]
UserReader = Annotated[Principal, needs("read:users:shares")]
UserLeaver = Annotated[Principal, needs("users:shares")]
GroupReader = Annotated[Principal, needs("read:groups:shares")]
GroupLeaver = Annotated[Principal, needs("groups:shares")]
Part = Annotated[Window, Depends(page_window)]

MAX_SCOPE_LENGTH: Final = 512
MAX_ID: Final = 2**53
SCOPES: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string"}}
HOLDER: dict[str, Any] = {
    "user": {"type": "string", "description": "Either a user"},
    "group": {"type": "string", "description": "or a group"},
}
GIFT = takes(
    "With whom, and what they may do; use the server, if nothing else is said", required=True, **HOLDER, scopes=SCOPES
)
RETURN = takes("From whom, and what; everything, if nothing else is said", required=True, **HOLDER, scopes=SCOPES)
CODE = takes(
    "What the code gives, and for how long",
    scopes=SCOPES,
    expires_in={
        "type": ["integer", "null"],
        "minimum": MIN_LIFETIME,
        "maximum": MAX_LIFETIME,
        "default": DEFAULT_LIFETIME,
    },
)


SHARES: dict[int | str, dict[str, Any]] = {200: gives(SharePageModel, "A part of the shares")}
CODES: dict[int | str, dict[str, Any]] = {200: gives(ShareCodePageModel, "A part of the share codes")}
LEFT: dict[int | str, dict[str, Any]] = {
    200: gives(ShareModel | dict[str, str], "What is left of the share; `{}` for nothing")
}


class Wanted(Struct, frozen=True):
    """What a request says of a share: who is to have it, or has it, and which raw scopes."""

    holder: HolderName
    scopes: list[str]


async def server_of(user_name: str, server_name: str) -> ServerName:
    """Return the server that an address names. Raises PerijoveError INVALID for a name that nobody can have."""
    return ServerName(normalize_user_name(user_name), server_name)


async def shared_server_of(owner_name: str, server_name: str) -> ServerName:
    """Return the server that an address names behind the user or group who has a share of it. Raises as `server_of`."""
    return ServerName(normalize_user_name(owner_name), server_name)


async def user_of(user_name: str) -> HolderName:
    """Return the user that an address names. Raises PerijoveError INVALID for a name that nobody can have."""
    return HolderName("user", normalize_user_name(user_name))


async def group_of(group_name: str) -> HolderName:
    """Return the group that an address names."""
    return HolderName("group", group_name)


OwnedServer = Annotated[ServerName, Depends(server_of)]
SharedServer = Annotated[ServerName, Depends(shared_server_of)]
OfUser = Annotated[HolderName, Depends(user_of)]
OfGroup = Annotated[HolderName, Depends(group_of)]


# -- what is shared of servers. The default server has no name: `/shares/ada/`.


@router.get("/shares/{user_name}", summary="List what a user shares", responses=SHARES)
async def list_shares_of_owner(request: Request, hub: Hub, principal: Lister, user_name: str, window: Part) -> Response:
    """List the shares of all servers of a user, in pages."""
    page = await shares.list_of_owner(hub.ctx, principal, normalize_user_name(user_name), None, window)
    return _page(request, hub, page)


@router.get("/shares/{user_name}/{server_name:path}", summary="List with whom a server is shared", responses=SHARES)
async def list_shares(request: Request, hub: Hub, principal: Lister, server: OwnedServer, window: Part) -> Response:
    """List the shares of one server, in pages."""
    page = await shares.list_of_owner(hub.ctx, principal, server.owner, server.name, window)
    return _page(request, hub, page)


@router.post("/shares/{user_name}/{server_name:path}", summary="Share a server", openapi_extra=GIFT)
async def share_server(hub: Hub, principal: Giver, server: OwnedServer, body: JsonBody) -> ShareModel:
    """Share a server with a user or a group, or add to what is shared with them.

    The caller needs every scope that is given, and to know the recipient by name: `read:users:name` or
    `read:groups:name`. Scopes are limited to the server, whether they say so or not.
    """
    wanted = wanted_share(body)
    view = await shares.give(hub.ctx, principal, server, wanted.holder, wanted.scopes)
    return share_model(view, hub.settings)


@router.patch(
    "/shares/{user_name}/{server_name:path}", summary="Take back what was shared", openapi_extra=RETURN, responses=LEFT
)
async def change_share(hub: Hub, principal: Giver, server: OwnedServer, body: JsonBody) -> Response:
    """Take some of what is shared of a server from a user or group, or all of it; give what is left, or `{}`."""
    wanted = wanted_share(body)
    view = await shares.take_back(hub.ctx, principal, server, wanted.holder, wanted.scopes)
    return JSONResponse({} if view is None else share_model(view, hub.settings))


@router.delete("/shares/{user_name}/{server_name:path}", summary="Share a server with nobody", status_code=204)
async def revoke_shares(hub: Hub, principal: Giver, server: OwnedServer) -> Response:
    """End all shares of a server; its share codes stay."""
    await shares.take_all_back(hub.ctx, principal, server)
    return Response(status_code=204)


# -- what users and groups have


@router.get("/users/{user_name}/shared", summary="List what is shared with a user", responses=SHARES)
async def list_shared_with_user(
    request: Request, hub: Hub, principal: UserReader, user: OfUser, window: Part
) -> Response:
    """List the shares that a user has, those of their groups included, in pages."""
    return _page(request, hub, await shares.list_with(hub.ctx, principal, user, window))


@router.get("/users/{user_name}/shared/{owner_name}/{server_name:path}", summary="Get a user's share")
async def get_share_of_user(hub: Hub, principal: UserReader, user: OfUser, server: SharedServer) -> ShareModel:
    """Give what of a server is shared with a user themselves."""
    return share_model(await shares.get_with(hub.ctx, principal, user, server), hub.settings)


@router.delete(
    "/users/{user_name}/shared/{owner_name}/{server_name:path}", summary="Give up a user's share", status_code=204
)
async def leave_share_of_user(hub: Hub, principal: UserLeaver, user: OfUser, server: SharedServer) -> Response:
    """End what of a server is shared with a user themselves."""
    await shares.give_up(hub.ctx, principal, user, server)
    return Response(status_code=204)


@router.get("/groups/{group_name:path}/shared", summary="List what is shared with a group", responses=SHARES)
async def list_shared_with_group(
    request: Request, hub: Hub, principal: GroupReader, group: OfGroup, window: Part
) -> Response:
    """List the shares that a group has, in pages."""
    return _page(request, hub, await shares.list_with(hub.ctx, principal, group, window))


@router.get("/groups/{group_name:path}/shared/{owner_name}/{server_name:path}", summary="Get a group's share")
async def get_share_of_group(hub: Hub, principal: GroupReader, group: OfGroup, server: SharedServer) -> ShareModel:
    """Give what of a server is shared with a group."""
    return share_model(await shares.get_with(hub.ctx, principal, group, server), hub.settings)


@router.delete(
    "/groups/{group_name:path}/shared/{owner_name}/{server_name:path}",
    summary="Give up a group's share",
    status_code=204,
)
async def leave_share_of_group(hub: Hub, principal: GroupLeaver, group: OfGroup, server: SharedServer) -> Response:
    """End what of a server is shared with a group."""
    await shares.give_up(hub.ctx, principal, group, server)
    return Response(status_code=204)


# -- codes


@router.get("/share-codes/{user_name}", summary="List a user's share codes", responses=CODES)
async def list_codes_of_owner(request: Request, hub: Hub, principal: Lister, user_name: str, window: Part) -> Response:
    """List the share codes of all servers of a user, in pages; the codes themselves are known to nobody."""
    page = await shares.list_codes(hub.ctx, principal, normalize_user_name(user_name), None, window)
    return _page_of_codes(request, hub, page)


@router.get("/share-codes/{user_name}/{server_name:path}", summary="List a server's share codes", responses=CODES)
async def list_codes(request: Request, hub: Hub, principal: Lister, server: OwnedServer, window: Part) -> Response:
    """List the share codes of one server, in pages; the codes themselves are known to nobody."""
    page = await shares.list_codes(hub.ctx, principal, server.owner, server.name, window)
    return _page_of_codes(request, hub, page)


@router.post("/share-codes/{user_name}/{server_name:path}", summary="Make a share code", openapi_extra=CODE)
async def create_code(hub: Hub, principal: Giver, server: OwnedServer, body: JsonBody) -> ShareCodeModel:
    """Make a code and give it, this once, with the address at which others take the share that it stands for."""
    given = checked_object(_without_nulls(body), {"scopes": list, "expires_in": int})
    expires_in = given.get("expires_in", DEFAULT_LIFETIME)
    if isinstance(expires_in, bool):
        raise invalid("expires_in must be a whole number of seconds")
    view = await shares.create_code(hub.ctx, principal, server, _scopes(given), expires_in=expires_in)
    return share_code_model(view, hub.settings)


@router.delete("/share-codes/{user_name}/{server_name:path}", summary="Revoke share codes", status_code=204)
async def revoke_codes(
    hub: Hub,
    principal: Giver,
    server: OwnedServer,
    code: Annotated[str, Query(description="The code to revoke")] = "",
    code_id: Annotated[str, Query(alias="id", description="or its id")] = "",
) -> Response:
    """Revoke one share code of a server, or all of them; what others took with them stays."""
    number = None if code or not code_id else _number(code_id)
    await shares.revoke_code(hub.ctx, principal, server, value=code, code_id=number)
    return Response(status_code=204)


def _page(request: Request, hub: HubState, page: Page[ShareView]) -> Response:
    models = [share_model(view, hub.settings) for view in page.items]
    return page_response(request, page, models, hub.settings, always=True)


def _page_of_codes(request: Request, hub: HubState, page: Page[CodeView]) -> Response:
    models = [share_code_model(view, hub.settings) for view in page.items]
    return page_response(request, page, models, hub.settings, always=True)


def wanted_share(body: Any) -> Wanted:
    """Return what *body* asks for. Raises PerijoveError INVALID."""
    given = checked_object(_without_nulls(body), {"user": str, "group": str, "scopes": list})
    user, group = given.get("user", ""), given.get("group", "")
    if bool(user) is bool(group):
        raise invalid("Specify exactly one of user and group")
    return Wanted(HolderName("user", user) if user else HolderName("group", group), _scopes(given))


def _without_nulls(body: Any) -> Any:
    """Return *body* without what it leaves open."""
    return {key: value for key, value in body.items() if value is not None} if isinstance(body, dict) else body


def _scopes(given: Any) -> list[str]:
    scopes = texts(given, "scopes")
    if any(len(scope) > MAX_SCOPE_LENGTH for scope in scopes):
        raise invalid(f"A scope has at most {MAX_SCOPE_LENGTH} characters")
    return scopes


def _number(code_id: str) -> int:
    """Return the number in ``sc_<number>``. Raises PerijoveError NOT_FOUND."""
    digits = code_id.removeprefix("sc_")
    if digits == code_id or not (digits.isascii() and digits.isdigit()) or len(digits) > 15 or int(digits) > MAX_ID:
        raise not_found("No such share code")
    return int(digits)
