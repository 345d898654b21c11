"""Who calls the API, and what each operation asks of them, said so that OpenAPI states it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, SecurityScopes
from starlette.datastructures import Headers

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.usecases import identity
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import security
from perijove.hub.web.state import HubState

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


Hub = Annotated[HubState, Depends(hub_of)]


def token_of(headers: Headers) -> str | None:
    """Return the token of an Authorization header; empty if there is such a header without one; None without a header."""
    value = headers.get("authorization")
    if value is None:
        return None
    kind, _, token = value.partition(" ")
    token = token.strip()
    return token if kind.lower() in {"token", "bearer"} and " " not in token else ""


async def find_caller(request: Request, hub: HubState) -> Principal | None:
    """Return who calls: by token, else by session cookie under the rules for cookies; None if nobody known.

    Raises:
        PerijoveError: FORBIDDEN, if a cookie came along but the request may come from a page that is not ours.
    """
    token = token_of(request.headers)
    if token is not None:
        return await identity.by_token(hub.ctx, hub.activity, token)
    visitor = await find_visitor(request, hub)
    if visitor is None:
        return None
    reading = request.method in {"GET", "HEAD"}
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not reading and content_type != "application/json":
        return None
    if not reading or security.needs_token_for_read(request):
        sent = request.query_params.get("_xsrf") or request.headers.get("x-xsrftoken", "")
        if not sent:
            raise PerijoveError(Code.FORBIDDEN, f"'_xsrf' argument missing from {request.method}")
        security.check_form(request, hub.settings, visitor, sent)
    return visitor.principal


async def find_visitor(request: Request, hub: HubState) -> Visitor | None:
    """Return the person whose session cookie came along; None if nobody is signed in."""
    visitor = await identity.by_session(hub.ctx, request.cookies.get(security.SESSION_COOKIE, ""))
    if visitor is not None:
        request.state.visitor = visitor
        hub.activity.user_active(visitor.user.id)
    return visitor


async def caller(
    request: Request, hub: Hub, scopes: SecurityScopes, header: Annotated[str | None, Security(token_scheme)] = None
) -> Principal:
    """Return who calls. The scopes are stated for OpenAPI; the use case checks them against what is asked for.

    Raises:
        PerijoveError: UNAUTHENTICATED.
    """
    principal = await find_caller(request, hub)
    if principal is None:
        raise PerijoveError(Code.UNAUTHENTICATED, "Missing or invalid credentials.")
    return principal


def needs(*scopes: str) -> Any:
    """Return the dependency of an operation that any one of *scopes* allows."""
    return Security(caller, scopes=scopes)
