"""Signing in elsewhere: the addresses that an authenticator adds, and what comes of requests to them.

The hub does here what no handler should have to: it knows the browser again, keeps where the person wanted to go, and
begins again by itself what cannot be gone on with, a few times at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from msgspec.structs import replace
from starlette.routing import Match

from perijove.hub.core.errors import Code, PerijoveError, forbidden, invalid
from perijove.hub.core.events import SignInRefused
from perijove.hub.core.guessing import Try
from perijove.hub.core.names import shorten
from perijove.hub.core.pending_sign_ins import MAX_ATTEMPTS, checked_data
from perijove.hub.core.redirects import local_target, outside_target
from perijove.hub.ports.sign_in import (
    BeginAgain,
    Complete,
    LeadTo,
    Outcome,
    Refused,
    SignedOut,
    SignInExchange,
    SignInHandler,
)
from perijove.hub.usecases import pending_sign_ins
from perijove.hub.usecases import sign_in as use_case
from perijove.hub.usecases.entrance import ask_handler
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.pending_sign_ins import Resumed
from perijove.hub.usecases.tokens import new_secret
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, as_asked, find_visitor
from perijove.hub.web.pages.common import ASK, go, with_next
from perijove.hub.web.pages.gate import (
    ATTEMPT,
    DENIED,
    NO_COOKIES,
    after_sign_in,
    asked_target,
    attempt_of,
    let_in,
    show_login,
)
from perijove.hub.web.pages.sign_in import signed_out
from perijove.hub.web.permissions import Router, included, public
from perijove.hub.web.state import HubState

log = structlog.get_logger(__name__)
BEFORE = public("It is for whoever is not signed in yet, or no longer")
MAX_FIELDS: Final = 50
MAX_FIELD_LENGTH: Final = 65_536
MAX_TOLD: Final = 200
"""How much of a provider's words a person is shown."""


def add_handlers(app: FastAPI, hub: HubState) -> None:
    """Let *app* answer at the addresses that the authenticator adds.

    Raises:
        PerijoveError: INVALID, if one of them is the hub's own.
    """
    router = Router(include_in_schema=False)
    for path, handler in hub.entrance.handlers:
        full = f"{hub.settings.prefix.rstrip('/')}{path}"
        if any(route.matches({"type": "http", "path": full, "method": "GET"})[0] != Match.NONE for route in app.routes):
            name = type(hub.authenticator).__name__
            raise invalid(f"{name}.get_handlers() gives {path}, which is an address of the hub's own: take another one")
        answer = _answering(path, handler)
        router.add_api_route(path, answer, methods=["GET", "POST"], dependencies=[BEFORE])
    app.router.routes += included(router, hub.settings.prefix.rstrip("/"))


def _answering(path: str, handler: SignInHandler) -> Callable[[Request, Hub], Awaitable[Response]]:
    async def sign_in_handler(request: Request, hub: Hub) -> Response:
        """Let a handler of the authenticator say what is to happen, and do that."""
        security.check_page_request(request)
        visitor = await find_visitor(request, hub)
        stage = _Stage(request, hub, path)
        try:
            outcome = await ask_handler(hub.authenticator, handler, await stage.exchange())
            return await stage.answer(outcome, visitor)
        except PerijoveError as error:
            return await show_login(request, hub, stage.target, error)

    return sign_in_handler


class _Stage:
    """One request in the course of a sign-in."""

    def __init__(self, request: Request, hub: HubState, path: str) -> None:
        self._request = request
        self._hub = hub
        self._path = path
        self._browser = security.sign_in_browser(request, hub.settings)
        self._resumed = Resumed()
        self._begun = False
        self.target = asked_target(request, hub)

    async def exchange(self) -> SignInExchange:
        """Return what the handler is given."""
        request, settings = self._request, self._hub.settings
        return SignInExchange(
            request=replace(as_asked(request), completed_by=self._path),
            method=request.method,
            query=dict(request.query_params),
            form=await _fields(request),
            origin=security.own_origin(request, settings),
            place=settings.prefix.rstrip("/"),
            begin=self._begin,
            resume=self._resume,
        )

    async def _begin(self, data: Mapping[str, Any]) -> str:
        kept = checked_data(data, "begin()")
        self._begun = True
        self._browser = self._browser or new_secret()
        attempt = attempt_of(self._request, MAX_ATTEMPTS)
        return await pending_sign_ins.begin(self._hub.ctx, self._browser, kept, self.target, attempt)

    async def _resume(self, state: str) -> dict[str, Any] | None:
        self._resumed = await pending_sign_ins.resume(self._hub.ctx, self._browser, state)
        self.target = self._resumed.next_url or self.target
        return None if self._resumed.data is None else dict(self._resumed.data)

    async def answer(self, outcome: Outcome, visitor: Visitor | None) -> Response:
        """Return the answer that does what *outcome* says. Raises PerijoveError."""
        match outcome:
            case LeadTo(url):
                return self._lead_to(url, visitor)
            case Complete(data):
                return await self._complete(data, visitor)
            case Refused(reason):
                return await self._refused(reason)
            case BeginAgain(url):
                return await self._begin_again(url, visitor)
            case SignedOut(url):
                return await signed_out(self._request, self._hub, visitor, self._judged(url) if url else "")

    def _judged(self, url: str) -> str:
        """Return *url* if a browser may be led there. Raises PerijoveError UNAVAILABLE."""
        try:
            own = local_target(url, base_url=self._hub.settings.base_url, default="")
            return own or outside_target(url)
        except ValueError as error:
            raise use_case.broken(self._hub.authenticator, error) from None

    def _lead_to(self, url: str, visitor: Visitor | None) -> Response:
        if self._begun and visitor is not None:
            # Another tab was quicker.
            return go(after_sign_in(self._request, self._hub, self.target))
        response = RedirectResponse(self._judged(url), status_code=302)
        if self._begun:
            security.know_sign_in_browser(self._request, self._hub.settings, response, self._browser)
        return response

    async def _complete(self, data: Mapping[str, Any], visitor: Visitor | None) -> Response:
        hub = self._hub
        if self._resumed.data is None:
            error = TypeError("a handler completes a sign-in that it did not resume: see perijove.hub.ports.sign_in")
            raise use_case.broken(hub.authenticator, error)
        if visitor is not None:
            # Another tab was quicker: no second session, and nobody else's in place of it.
            return go(after_sign_in(self._request, hub, self.target))
        asked = replace(as_asked(self._request), completed_by=self._path)
        async with hub.guard.guarding(Try("sign-in", "", asked.address)):
            session = await use_case.sign_in(
                hub.ctx,
                hub.authenticator,
                asked,
                data,
                lifetime=hub.settings.session_lifetime,
                refused=use_case.NOT_LET_IN,
            )
        return let_in(self._request, hub, session, target=self.target)

    async def _refused(self, reason: str) -> Response:
        # Words that came with no sign-in of this browser's are anybody's.
        told = shorten(reason, MAX_TOLD) if self._resumed.data is not None else ""
        self._hub.ctx.telemetry.emit(SignInRefused("", f"the provider refused: {told}" if told else "refused"))
        return await show_login(self._request, self._hub, self.target, forbidden(DENIED), told=told)

    async def _begin_again(self, url: str, visitor: Visitor | None) -> Response:
        hub, attempt = self._hub, self._resumed.again
        if visitor is not None:
            return go(after_sign_in(self._request, hub, self.target))
        if attempt > MAX_ATTEMPTS:
            return await show_login(self._request, hub, self.target, PerijoveError(Code.FORBIDDEN, NO_COOKIES))
        log.debug("a sign-in begins again", attempt=attempt, path=self._path)
        # Where nothing is known of the browser, nothing would end its going round and round.
        start = self._judged(url or hub.entrance.login_url) if attempt else f"{hub.settings.prefix}login"
        return RedirectResponse(
            with_next(start, self.target, **({ATTEMPT: str(attempt)} if attempt else {ASK: "1"})), 302
        )


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of the form that came along. Raises PerijoveError INVALID for an overlong one."""
    if request.method != "POST":
        return {}
    async with request.form(max_fields=MAX_FIELDS, max_files=MAX_FIELDS) as form:
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
    if any(len(value) > MAX_FIELD_LENGTH for value in fields.values()):
        raise invalid(f"A field has at most {MAX_FIELD_LENGTH} characters.")
    return fields
