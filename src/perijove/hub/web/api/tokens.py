"""API tokens of users."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Response

from perijove.hub.core.errors import Code, PerijoveError, forbidden, invalid, not_found
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.usecases import tokens
from perijove.hub.usecases.tokens import TokenRequest
from perijove.hub.web.callers import Hub, JsonBody, needs, takes
from perijove.hub.web.models import token_model
from perijove.hub.web.permissions import Router

router = Router(tags=["tokens"])
MAX_ID = 2**53
WANTED = takes(
    "What the token shall be",
    note={"type": "string"},
    expires_in={"type": ["integer", "null"], "description": "Seconds; 0 or null for as long as is allowed"},
    scopes={"type": "array", "items": {"type": "string"}},
    roles={"type": "array", "items": {"type": "string"}, "description": "Roles in place of scopes"},
)


@router.get("/users/{user_name}/tokens", summary="List tokens")
async def list_tokens(
    hub: Hub, principal: Annotated[Principal, needs("read:tokens")], user_name: str
) -> dict[str, Any]:
    """List the tokens of a user; their values are known to nobody."""
    views = await tokens.list_of(hub.ctx, principal, normalize_user_name(user_name))
    return {"api_tokens": [token_model(view) for view in views]}


@router.post("/users/{user_name}/tokens", summary="Make a token", status_code=201, openapi_extra=WANTED)
async def create_token(
    hub: Hub,
    principal: Annotated[Principal, needs("tokens")],
    user_name: str,
    body: JsonBody,
) -> dict[str, Any]:
    """Make a token for a user and give its value, this once.

    The body may hold `note`, `expires_in` (seconds) and `scopes` or `roles`.
    """
    wanted = token_request(body)
    try:
        view = await tokens.create(
            hub.ctx, principal, normalize_user_name(user_name), wanted, maximum=hub.settings.token_maximum
        )
    except PerijoveError as error:
        # Whoever may make tokens for others learns from the API which users exist; here nobody need learn it.
        raise forbidden(error.message) if error.code is Code.NOT_FOUND else error from None
    return dict(token_model(view))


def token_request(body: Any) -> TokenRequest:
    """Return what *body* asks for. Raises PerijoveError INVALID."""
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    if unknown := sorted(body.keys() - {"note", "expires_in", "scopes", "roles"}):
        raise invalid(f"Unknown key: {unknown[0][:40]!r}; use note, expires_in, scopes or roles")
    note, expires_in = body.get("note") or "", body.get("expires_in")
    if not isinstance(note, str):
        raise invalid("note must be a string")
    if expires_in is not None and (not isinstance(expires_in, int) or isinstance(expires_in, bool)):
        raise invalid("expires_in must be a whole number of seconds")
    return TokenRequest(note, expires_in, _names(body, "scopes"), _names(body, "roles"))


def _names(body: dict[str, Any], key: str) -> tuple[str, ...] | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and len(item) <= 512 for item in value):
        raise invalid(f"{key} must be a list of strings")
    return tuple(value)


@router.get("/users/{user_name}/tokens/{token_id}", summary="Get a token")
async def get_token(
    hub: Hub, principal: Annotated[Principal, needs("read:tokens")], user_name: str, token_id: str
) -> dict[str, Any]:
    """Give one token of a user, without its value."""
    return dict(token_model(await tokens.get(hub.ctx, principal, normalize_user_name(user_name), _number(token_id))))


@router.delete("/users/{user_name}/tokens/{token_id}", summary="Revoke a token", status_code=204)
async def revoke_token(
    hub: Hub, principal: Annotated[Principal, needs("tokens")], user_name: str, token_id: str
) -> Response:
    """Revoke a token; for one issued to an application, all that this application has for this user."""
    await tokens.revoke(hub.ctx, principal, normalize_user_name(user_name), _number(token_id))
    return Response(status_code=204)


def _number(token_id: str) -> int:
    """Return the number in ``a<number>``. Raises PerijoveError NOT_FOUND."""
    digits = token_id.removeprefix("a")
    if token_id == digits or not (digits.isascii() and digits.isdigit()) or len(digits) > 15 or int(digits) > MAX_ID:
        raise not_found("No such token")
    return int(digits)
