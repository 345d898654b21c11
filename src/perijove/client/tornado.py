"""The edge to Tornado: mix-ins for request handlers, WebSockets and files included, and the pages for signing in.

A handler that mixes one in is for visitors whom the hub lets in; it needs no decorator. ``self.current_user`` is then
their `HubIdentity`. The application holds the `HubOAuth` in its settings as ``hub_auth``; where it does not, one is
made of the process's environment at the first request.
"""

from __future__ import annotations

import re
from typing import Any, cast

from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.websocket import WebSocketHandler

from perijove.client.api import HubUnavailable
from perijove.client.auth import HubAuth, HubOAuth, Visitor
from perijove.client.identity import HubIdentity
from perijove.client.messages import PAGE_HEADERS, SAFE_METHODS, WebAnswer, WebRequest
from perijove.client.xsrf import FIELD

SETTING = "hub_auth"
LONG_AGO = 1
"""Seconds since 1970; Tornado takes a maximum age of 0 for none at all."""


def web_request(request: HTTPServerRequest, *, websocket: bool = False) -> WebRequest:
    """Return what Tornado's *request* says."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if cookies := request.headers.get_list("Cookie"):
        headers["cookie"] = "; ".join(cookies)
    return WebRequest(request.method or "GET", request.uri or "/", headers, request.protocol, websocket)


def send_cookies(handler: web.RequestHandler, answer: WebAnswer) -> None:
    """Give the browser the cookies of *answer*, whatever else *handler* will say; they outlive an error page."""
    for cookie in answer.cookies:
        handler.set_cookie(
            cookie.name,
            cookie.value,
            domain=cookie.domain or None,
            path=cookie.path,
            max_age=cookie.max_age or None,
            expires=None if cookie.max_age else LONG_AGO,
            secure=cookie.secure,
            httponly=True,
            samesite=cookie.samesite,
        )


def send_answer(handler: web.RequestHandler, answer: WebAnswer) -> None:
    """Answer in the place of *handler*; nothing of it runs afterwards."""
    handler.clear()
    handler.set_status(answer.status)
    for name, value in answer.headers():
        handler.set_header(name, value)
    send_cookies(handler, answer)
    handler.finish(answer.message)


class HubAuthenticated(web.RequestHandler):
    """Lets in whom the hub lets in; everybody else gets an answer before any code of the handler runs.

    Attributes:
        allow_all: whether every user and service of the hub may come in, whatever their scopes.
        hub_scopes: one of them is needed; None stands for the access scopes that the hub gave the service.
        hub_optional: whether those whom the hub does not know may come in as well, with no ``current_user``.
        visitor: who makes the request.
    """

    hub_auth_class: type[HubAuth] = HubAuth
    allow_all: bool = False
    hub_scopes: tuple[str, ...] | None = None
    hub_optional: bool = False
    visitor: Visitor | None = None

    def __init__(self, application: web.Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        """Put the question who is there before the handler's ``prepare``, so that no subclass can forget to ask it."""
        super().__init__(application, request, **kwargs)
        self._prepare_own = self.prepare
        self.prepare = self._prepare_visit  # type: ignore[method-assign]

    @property
    def hub_auth(self) -> HubAuth:
        """What identifies visitors."""
        if SETTING not in self.settings:
            self.settings[SETTING] = self.hub_auth_class.from_environ()
        return cast("HubAuth", self.settings[SETTING])

    def may_enter(self, identity: HubIdentity) -> bool:
        """Say whether *identity*, which the hub vouches for, may do this."""
        if self.allow_all:
            return True
        return self.hub_auth.may_enter(identity) if self.hub_scopes is None else identity.holds(*self.hub_scopes)

    async def _prepare_visit(self) -> None:
        request = web_request(self.request, websocket=isinstance(self, WebSocketHandler))
        if not (self.hub_optional and await self._is_stranger(request)):
            form = self.get_body_argument(FIELD, "") if request.method not in SAFE_METHODS else ""
            outcome = await self.hub_auth.enter(request, form_token=form, admits=self.may_enter)
            if isinstance(outcome, WebAnswer):
                self._turn_away(request, outcome)
                return
            self.visitor, self.current_user = outcome, outcome.identity
        for name, value in PAGE_HEADERS.items():
            self.set_header(name, value)
        preparing = self._prepare_own()
        if preparing is not None:
            await preparing

    async def _is_stranger(self, request: WebRequest) -> bool:
        try:
            return await self.hub_auth.identify(request) is None
        except HubUnavailable:
            return True

    def _turn_away(self, request: WebRequest, answer: WebAnswer) -> None:
        self.current_user = None
        if request.websocket:
            raise web.HTTPError(answer.status, "%s", answer.message)
        send_answer(self, answer)

    def get_current_user(self) -> HubIdentity | None:
        """Return the visitor's identity; None before the question was asked, and for strangers where they may come."""
        return self.visitor.identity if self.visitor else None

    def check_xsrf_cookie(self) -> None:
        """Say nothing: Tornado asks before it is known who is there. Requests with a cookie are checked after that."""


class HubOAuthenticated(HubAuthenticated):
    """The same for browsers: pages lead strangers to the hub's sign-in, and a cookie keeps visitors signed in."""

    hub_auth_class = HubOAuth

    @property
    def hub_oauth(self) -> HubOAuth:
        """What identifies visitors, and signs them in.

        Raises:
            TypeError: the application's setting ``hub_auth`` is not a HubOAuth.
        """
        auth = self.hub_auth
        if not isinstance(auth, HubOAuth):
            raise TypeError(f"the setting {SETTING} must be a HubOAuth for handlers that sign visitors in")
        return auth

    @property
    def xsrf_token(self) -> bytes:
        """The token for ``{% module xsrf_form_html() %}`` and the header ``X-XSRFToken`` of scripts."""
        return self.hub_oauth.xsrf_token(self.visitor).encode() if self.visitor else super().xsrf_token


class _SignInPage(HubOAuthenticated):
    """A page for everybody, which says what the sign-in says."""

    async def _prepare_visit(self) -> None:
        """Ask nobody: whoever comes here has yet to sign in."""


class HubLoginHandler(_SignInPage):
    """``login``: on to ``next``, by way of the hub."""

    async def get(self) -> None:
        """Redirect."""
        send_answer(self, await self.hub_oauth.login(web_request(self.request)))

    head = get


class HubOAuthCallbackHandler(_SignInPage):
    """``oauth_callback``: where the hub sends browsers back to."""

    async def get(self) -> None:
        """Redirect to where the visitor wanted to go, or say why not."""
        send_answer(self, await self.hub_oauth.finish(web_request(self.request)))

    head = get


class HubLogoutHandler(_SignInPage):
    """``logout``: signed out here, and on to the hub's page that ends the session."""

    async def get(self) -> None:
        """Redirect."""
        send_answer(self, self.hub_oauth.sign_out(web_request(self.request)))

    head = get


def sign_in_pages(prefix: str) -> list[tuple[str, type[web.RequestHandler]]]:
    """Return the handlers that a service with browser sign-in needs beside its own, below its *prefix*."""
    return [
        (re.escape(prefix) + "login", HubLoginHandler),
        (re.escape(prefix) + "oauth_callback", HubOAuthCallbackHandler),
        (re.escape(prefix) + "logout", HubLogoutHandler),
    ]
