"""Who calls the API, with what, and what each operation asks of them, said so that OpenAPI states it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from msgspec.structs import replace
from starlette.datastructures import Headers

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.names import shorten
from perijove.hub.core.principals import Principal
from perijove.hub.ports.authenticator import SignInRequest
from perijove.hub.ports.telemetry import ORIGIN
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.sign_in import sign_out
from perijove.hub.web import security
from perijove.hub.web.permissions import Access, Who, declare
from perijove.hub.web.state import HubState

INVALID_JSON: Final = "Invalid JSON in body of request"
MAX_DEPTH: Final = 32
"""How deep the JSON of a request may be nested: nothing that we are asked needs more than five."""

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description}
    for status, description in (
        (400, "The request is wrong; the message says where"),
        (403, "No valid credentials, or their scopes do not allow it"),
        (404, "There is no such thing, or the scopes do not reach it"),
        (503, "Something the hub needs is away; `Retry-After` says when to try again"),
        ("default", "Any other error, told in the same form"),
    )
}
"""What OpenAPI says of errors that every operation may give."""

token_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="token",
    description="`Authorization: token <token>`; `Bearer` in place of `token` is understood too.",
    auto_error=False,
)


def hub_of(request: Request) -> HubState:
    """Return the state of the hub that *request* reached."""
    hub: HubState = request.app.state.hub
    return hub


async def _hub(request: Request) -> HubState:
    # Not hub_of itself: what is no coroutine function would go to a thread, at each request.
    return hub_of(request)


Hub = Annotated[HubState, Depends(_hub)]


def token_of(headers: Headers) -> str | None:
    """Return the token of an Authorization header; None without one, or where it holds credentials of another kind.

    Where it says token and then no single word, the answer is empty, which is nobody's token.
    """
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() not in {"token", "bearer"}:
        return None
    token = token.strip()
    return "" if " " in token else token


async def find_caller(request: Request, hub: HubState) -> Principal | None:
    """Return who calls: by token, else by session cookie under the rules for cookies; None if nobody known.

    Raises:
        PerijoveError: FORBIDDEN, if a cookie came along but the request may come from a page that is not ours.
    """
    token = token_of(request.headers)
    if token is not None:
        principal = await _by_token(request, hub, token)
        if principal is not None:
            remember(principal)
        return principal
    visitor = await find_visitor(request, hub)
    if visitor is None:
        return None
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if request.method != "GET" and content_type != "application/json":
        return None
    security.check_call(request, hub.settings, visitor)
    return visitor.principal


async def _by_token(request: Request, hub: HubState, token: str) -> Principal | None:
    """Return whom *token* belongs to, as the authenticator knows them now; None if nobody."""
    principal = await hub.identities.by_token(token)
    if not hub.refreshes.enabled or principal is None or principal.user_id is None:
        return principal
    strict = hub.authenticator.auth_refresh_strict
    if not principal.activity and not strict:
        # What a server does by itself says nothing about its owner.
        return principal
    good = await hub.refreshes.still_good(principal.user_id, as_asked(request))
    return await hub.identities.by_token(token) if good or not strict else None


async def identified(request: Request, hub: HubState, *scopes: str) -> Principal:
    """Return who calls and holds one of *scopes*, if any are given. Raises PerijoveError UNAUTHENTICATED, FORBIDDEN."""
    principal = await find_caller(request, hub)
    if principal is None:
        raise PerijoveError(Code.UNAUTHENTICATED, "Missing or invalid credentials.")
    if scopes:
        principal.require_some(*scopes)
    return principal


async def find_visitor(request: Request, hub: HubState) -> Visitor | None:
    """Return the person whose session cookie came along; None if nobody is signed in, or more than one."""
    keys = security.cookie_values(request, hub.settings, security.SESSION_COOKIE)
    found = {key: visitor for key in keys if (visitor := await hub.identities.by_session(key)) is not None}
    if len(found) > 1:
        # Somebody's page has put its own sign-in beside the visitor's; nobody can tell which is which.
        request.state.planted = True
    if len(found) != 1:
        return None
    ((key, visitor),) = found.items()
    if hub.refreshes.enabled:
        if not await hub.refreshes.still_good(visitor.user.id, as_asked(request)):
            await sign_out(hub.ctx, visitor)
            return None
        # What the authenticator told may have changed their rights.
        visitor = await hub.identities.by_session(key) or visitor
    request.state.visitor = visitor
    hub.activity.user_active(visitor.user.id)
    remember(visitor.principal)
    return visitor


def as_asked(request: Request) -> SignInRequest:
    """Return what an authenticator may know of *request*."""
    return SignInRequest(address_of(request), dict(request.headers))


def address_of(request: Request) -> str:
    """Return the address that *request* came from, as far as proxies that are trusted tell it."""
    return request.client.host if request.client else ""


def remember(principal: Principal, credential: str = "") -> None:
    """Let the facts of this request tell who made it, and by which *credential* they are known."""
    credential = credential or ("session" if principal.token_id is None else f"token a{principal.token_id}")
    ORIGIN.set(replace(ORIGIN.get(), kind=principal.kind, credential=credential))


async def _token_header(header: Annotated[str | None, Security(token_scheme)] = None) -> None:
    """Read nothing: it is here so that OpenAPI tells of the header."""


TokenHeader = Annotated[None, Depends(_token_header)]


def needs(*scopes: str) -> Any:
    """Return the dependency, a `Principal`, of an operation for which any one of *scopes* is needed.

    Whoever holds none of them, for whatever it be, gets no further. Whether one reaches what is asked for, the use case
    decides with `Principal.require`.
    """
    if not scopes:
        raise TypeError("an operation needs a scope, or it is for needs_identity() or public(reason)")
    return _security(Access(Who.HOLDER, scopes))


def needs_identity() -> Any:
    """Return the dependency, a `Principal`, of an operation for everybody who is known, whatever they may do."""
    return _security(Access(Who.IDENTIFIED))


def needs_if_known(*scopes: str) -> Any:
    """Return the dependency, a `Principal` or None, of an operation that has another way to say who asks.

    Its handler finds out who it is where this gives None; whoever came with a token or a session needs one of *scopes*.
    """
    return _security(Access(Who.HOLDER, scopes), optional=True)


def _security(access: Access, optional: bool = False) -> Any:
    async def caller(request: Request, hub: Hub, header: TokenHeader) -> Principal | None:
        if not optional:
            return await identified(request, hub, *access.scopes)
        principal = await find_caller(request, hub)
        if principal is not None and access.scopes:
            principal.require_some(*access.scopes)
        return principal

    return Security(declare(caller, access), scopes=access.scopes)


async def json_body(request: Request) -> Any:
    """Return the JSON of a request, whatever it says of its type; None if there is no body.

    Raises:
        PerijoveError: INVALID, if it is no JSON, or such that an answer could not hold it.
    """
    return parse_json(await request.body())


JsonBody = Annotated[Any, Depends(json_body)]


def parse_json(raw: bytes) -> Any:
    """Return the value in *raw*; None if that is empty. Raises PerijoveError INVALID."""
    if not raw.strip():
        return None
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:
            # Half of a surrogate pair can be written in JSON, but not sent or stored.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise invalid(INVALID_JSON) from None
    if _deeper_than(value, MAX_DEPTH):
        raise invalid(f"{INVALID_JSON}: nested deeper than {MAX_DEPTH} levels")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def checked_object(body: Any, allowed: Mapping[str, type]) -> Mapping[str, Any]:
    """Return *body*, an empty object for None; refuse unknown keys and wrong types. Raises PerijoveError INVALID."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    for key, value in body.items():
        if key not in allowed:
            raise invalid(f"Invalid JSON keys: {shorten(key, 40)!r}; allowed are {', '.join(allowed)}")
        if not isinstance(value, allowed[key]):
            raise invalid(f"{key} must be {allowed[key].__name__}, not {type(value).__name__}")
    return body


def texts(given: Mapping[str, Any], key: str) -> list[str]:
    """Return the list of texts under *key*; none if it is null or not there. Raises PerijoveError INVALID."""
    values = given.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise invalid(f"{key} must be a list of strings")
    return values
