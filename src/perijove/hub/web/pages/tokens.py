"""Tokens of the visitor, and the applications that they let act for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import Form, Request, Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.tokens import Token
from perijove.hub.core.users import User
from perijove.hub.usecases import tokens
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.tokens import Application, TokenRequest, TokenView
from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import FormVisitor, PageVisitor, go, parameters_as
from perijove.hub.web.pages.lists import Offset, address, paging, window_of
from perijove.hub.web.pages.scope_words import WORDS
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState
from perijove.wire.scopes import parse_scope

router = Router(include_in_schema=False)
NOTE: Final = "Made on the token page"
HOUR: Final = 3600
LIFETIMES: Final = (HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR, 365 * 24 * HOUR)
DEFAULT_LIFETIME: Final = 30 * 24 * HOUR

Text = Annotated[str, Form(max_length=4096)]


@dataclass(frozen=True, slots=True)
class Parts:
    """Which parts of the two lists the page shows."""

    offset: Offset = 0
    applications: Offset = 0

    def params(self, without: str = "") -> dict[str, object]:
        """Return what the address says of the lists, but for the one *without*."""
        return {name: value or "" for name, value in asdict(self).items() if name != without}


WantedParts = Annotated[Parts, parameters_as(Parts)]
FIRST: Final = Parts()
Texts = Annotated[tuple[str, ...], Form(max_length=200)]


@router.get("/token")
async def token_page(request: Request, hub: Hub, visitor: PageVisitor, wanted: WantedParts) -> Response:
    """Show the visitor's tokens and applications, and the form for a new token."""
    return await _page(request, hub, visitor, wanted)


@dataclass(frozen=True, slots=True)
class NewToken:
    """The form in which somebody says what a new token shall be."""

    note: Text = ""
    expires_in: Annotated[int, Form(ge=0)] = 0
    allow: Text = "all"
    scopes: Texts = ()
    more_scopes: Text = ""
    number: Annotated[str, Form(max_length=64)] = ""

    @property
    def request(self) -> TokenRequest:
        """What is asked for."""
        wanted = (*self.scopes, *self.more_scopes.split()) if self.allow == "some" else None
        return TokenRequest(self.note.strip() or NOTE, self.expires_in, wanted)


@router.post("/token")
async def make_token(
    request: Request, hub: Hub, visitor: FormVisitor, form: Annotated[NewToken, parameters_as(NewToken)]
) -> Response:
    """Make a token and show it; a form that comes twice makes one token."""
    try:
        made = await tokens.create(
            hub.ctx,
            visitor.principal,
            visitor.user.name,
            form.request,
            maximum=hub.settings.token_maximum,
            # The same form twice is one wish; changed and sent again, it is another one.
            value=security.once(hub.settings, visitor, "token", repr(form)) if form.number else "",
        )
    except PerijoveError as error:
        if STATUS[error.code] >= 500:
            raise
        return await _page(request, hub, visitor, error=error, typed=asdict(form))
    return await _page(request, hub, visitor, made=made)


@router.post("/token/revoke")
async def revoke(
    hub: Hub, visitor: FormVisitor, wanted: WantedParts, token_id: Annotated[int, Form(ge=0, le=2**53)] = 0
) -> Response:
    """Revoke a token, or all of an application; one that is gone already is what was wanted."""
    try:
        await tokens.revoke(hub.ctx, visitor.principal, visitor.user.name, token_id)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    return go(address(hub, "token", wanted.params()))


async def _page(
    request: Request,
    hub: HubState,
    visitor: Visitor,
    wanted: Parts = FIRST,
    *,
    error: PerijoveError | None = None,
    typed: dict[str, Any] | None = None,
    made: TokenView | None = None,
) -> Response:
    principal, name = visitor.principal, visitor.user.name
    held = await tokens.held(
        hub.ctx, principal, name, window_of(wanted.offset, None), window_of(wanted.applications, None)
    )
    response = render(
        request,
        "token.html",
        made=None if made is None else {"value": made.value, "token": made.token},
        error=error.message if error is not None else "",
        typed={"note": "", "expires_in": _default_lifetime(hub), "allow": "all", "scopes": (), "more_scopes": ""}
        | (typed or {}),
        number=security.form_number(),
        lifetimes=_lifetimes(hub.settings.token_maximum),
        choices=_choices(principal, visitor.user, getattr(request.state, "services", ())),
        revoke_url=address(hub, "token/revoke", wanted.params()),
        tokens=[_row(token) for token in held.tokens.items],
        tokens_page=paging(hub, held.tokens, "token", wanted.params("offset")),
        applications=[_application(application) for application in held.applications.items],
        applications_page=paging(hub, held.applications, "token", wanted.params("applications"), key="applications"),
    )
    response.status_code = 200 if error is None else STATUS[error.code]
    return response


def _default_lifetime(hub: HubState) -> int:
    maximum = hub.settings.token_maximum
    return min(DEFAULT_LIFETIME, maximum) if maximum else DEFAULT_LIFETIME


def _lifetimes(maximum: int) -> list[int]:
    """Return the lifetimes to choose from, in seconds; 0 is for ever."""
    if not maximum:
        return [*LIFETIMES, 0]
    return [*(seconds for seconds in LIFETIMES if seconds < maximum), maximum]


def _choices(principal: Principal, user: User, services: Sequence[Any]) -> list[dict[str, str]]:
    """Return the scopes that the visitor can choose from: what they may do themselves."""
    found = []
    for text, words in WORDS.items():
        scope = parse_scope(text)
        if principal.may(scope.base, user=user if scope.kind == "user" else ""):
            found.append({"scope": text, "text": words, "service": ""})
    return found + [
        {"scope": f"access:services!service={service.name}", "text": "", "service": service.name}
        for service in services
    ]


def _row(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "note": token.note,
        "created": token.created,
        "last_activity": token.last_activity,
        "expires_at": token.expires_at,
        "everything": "inherit" in token.scopes,
        "words": [WORDS[scope] for scope in token.scopes if scope in WORDS],
        "scopes": [scope for scope in token.scopes if scope not in WORDS and scope != "inherit"],
        "of_server": token.server_id is not None,
    }


def _application(application: Application) -> dict[str, Any]:
    held = application.tokens
    used = [token.last_activity for token in held if token.last_activity is not None]
    return {
        "name": application.name.rstrip("/"),
        "is_service": application.is_service,
        "token_id": held[0].id,
        "created": min(token.created for token in held),
        "last_activity": max(used, default=None),
    }
