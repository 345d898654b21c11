"""API tokens of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request, Response

from perijove.hub.core.errors import Code, PerijoveError, forbidden, invalid, not_found
from perijove.hub.core.guessing import Try
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.usecases import sign_in, tokens
from perijove.hub.usecases.entrance import check_takes_form, ways_of
from perijove.hub.usecases.tokens import TokenRequest
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, JsonBody, as_asked, needs, needs_if_known, remember
from perijove.hub.web.models import token_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import takes
from perijove.hub.web.state import HubState
from perijove.wire.models import TokenModel, TokensModel

router = Router(tags=["tokens"])
MAX_ID = 2**53
MAX_FIELDS = 20
MAX_FIELD_LENGTH = 4096
WANTED = takes(
    "What the token shall be",
    note={"type": ["string", "null"]},
    expires_in={"type": ["integer", "null"], "description": "Seconds; 0 or null for as long as is allowed"},
    scopes={"type": ["array", "null"], "items": {"type": "string"}},
    roles={"type": ["array", "null"], "items": {"type": "string"}, "description": "Roles in place of scopes"},
    auth={
        "type": ["object", "null"],
        "additionalProperties": {"type": "string"},
        "description": "Without a token: username and password",
    },
)


@router.get("/users/{user_name}/tokens", summary="List tokens")
async def list_tokens(hub: Hub, principal: Annotated[Principal, needs("read:tokens")], user_name: str) -> TokensModel:
    """List the tokens of a user; their values are known to nobody."""
    views = await tokens.list_of(hub.ctx, principal, normalize_user_name(user_name))
    return {"api_tokens": [token_model(view) for view in views]}


@router.post("/users/{user_name}/tokens", summary="Make a token", status_code=201, openapi_extra=WANTED)
async def create_token(
    request: Request,
    hub: Hub,
    known: Annotated[Principal | None, needs_if_known("tokens")],
    user_name: str,
    body: JsonBody,
) -> TokenModel:
    """Make a token for a user and give its value, this once.

    The body may hold `note`, `expires_in` (seconds) and `scopes` or `roles`. Without a token it may hold `auth`: the
    fields of the sign-in form, `username` and `password`.
    """
    wanted = token_request(body)
    principal = known or await _by_credentials(request, hub, body)
    try:
        view = await tokens.create(
            hub.ctx, principal, normalize_user_name(user_name), wanted, maximum=hub.settings.token_maximum
        )
    except PerijoveError as error:
        # Whoever may make tokens for others learns from the API which users exist; here nobody need learn it.
        raise forbidden(error.message) if error.code is Code.NOT_FOUND else error from None
    return token_model(view)


async def _by_credentials(request: Request, hub: HubState, body: Any) -> Principal:
    """Return who the credentials under `auth` belong to.

    Raises:
        PerijoveError: UNAUTHENTICATED without any; FORBIDDEN, if they are wrong; LIMITED after too many wrong ones.
    """
    data = credentials(body)
    if data is None:
        raise PerijoveError(Code.UNAUTHENTICATED, "Missing or invalid credentials.")
    security.check_origin(request, hub.settings)
    asked = as_asked(request)
    async with hub.guard.guarding(Try("sign-in", data.get("username", ""), asked.address)):
        check_takes_form(await ways_of(hub.authenticator, hub.settings.site))
        principal = await sign_in.by_credentials(hub.ctx, hub.authenticator, asked, data)
    remember(principal, "password")
    return principal


def credentials(body: Any) -> Mapping[str, str] | None:
    """Return the fields of the sign-in form in *body*; None if there are none. Raises PerijoveError INVALID."""
    data = body.get("auth") if isinstance(body, dict) else None
    if data is None:
        return None
    if not isinstance(data, dict) or len(data) > MAX_FIELDS or not all(isinstance(v, str) for v in data.values()):
        raise invalid("auth must be an object with the fields of the sign-in form, such as username and password")
    if any(len(value) > MAX_FIELD_LENGTH for value in data.values()):
        raise forbidden(sign_in.REFUSED)
    return data


def token_request(body: Any) -> TokenRequest:
    """Return what *body* asks for. Raises PerijoveError INVALID."""
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    if unknown := sorted(body.keys() - {"note", "expires_in", "scopes", "roles", "auth"}):
        raise invalid(f"Unknown key: {unknown[0][:40]!r}; use note, expires_in, scopes, roles or auth")
    note, expires_in = body.get("note"), body.get("expires_in")
    if note is not None and not isinstance(note, str):
        raise invalid("note must be a string")
    if expires_in is not None and (not isinstance(expires_in, int) or isinstance(expires_in, bool)):
        raise invalid("expires_in must be a whole number of seconds")
    return TokenRequest(note or "", expires_in, _names(body, "scopes"), _names(body, "roles"))


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
) -> TokenModel:
    """Give one token of a user, without its value."""
    return token_model(await tokens.get(hub.ctx, principal, normalize_user_name(user_name), _number(token_id)))


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
