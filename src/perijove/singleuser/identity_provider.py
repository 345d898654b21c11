"""Who makes a request: the hub knows, from a token in the Authorization header or in this server's signed cookie.

A page that is asked for without either leads to the hub's sign-in; anything that is no page is refused. Whoever signed
in but may not enter is told so, and is not sent round again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.websocket import WebSocketHandler
from traitlets import Instance, Unicode, default

from perijove.client.api import HubUnavailable
from perijove.client.auth import HubOAuth, TokenInUrl
from perijove.client.cookies import derive_key
from perijove.client.environment import ServerEnvironment
from perijove.client.identity import HubIdentity
from perijove.client.messages import WebAnswer, WebRequest
from perijove.client.tornado import send_cookies, web_request
from perijove.singleuser.handlers import HANDLERS, raise_refusal

SHOWN_FIELDS = ("name", "display_name", "initials", "avatar_url", "color")


@dataclass
class HubUser(User):
    """A visitor whom the hub vouched for.

    Attributes:
        hub_identity: the hub's answer about the visitor's token; never shown to the browser.
    """

    hub_identity: HubIdentity = field(default_factory=lambda: HubIdentity("", "user", frozenset()), repr=False)

    @classmethod
    def from_identity(cls, identity: HubIdentity) -> HubUser:
        """Return the visitor that *identity* describes, with what the hub tells about the person."""
        info = identity.info or {}
        shown = {name: value for name in SHOWN_FIELDS if isinstance(value := info.get(name), str) and value}
        return cls(username=identity.name, hub_identity=identity, **shown)


class HubIdentityProvider(IdentityProvider):
    """Identifies visitors by asking the hub; a token or password of Jupyter's own does not exist here."""

    # Shadows the configurable trait: no configuration file can open a second door.
    token = Unicode("")
    need_token = False

    environment = Instance(ServerEnvironment)
    auth = Instance(HubOAuth)

    @default("environment")
    def _default_environment(self) -> ServerEnvironment:
        return cast("ServerEnvironment", cast("Any", self.parent).environment)

    @default("auth")
    def _default_auth(self) -> HubOAuth:
        # Browsers cannot give headers to WebSockets, so there a token in the address counts in any case.
        where: TokenInUrl = "always" if self.environment.allow_token_in_url else "websockets"
        return HubOAuth(self.environment, token_in_url=where, log=self.log)

    def get_handlers(self) -> list[tuple[str, object]]:
        """Return the pages for signing in and out."""
        return list(HANDLERS)

    def validate_security(self, app: Any, ssl_options: dict[str, Any] | None = None) -> None:
        """Say nothing: the hub's proxy stands in front, and every visitor is identified."""

    def identity_model(self, user: User) -> dict[str, Any]:
        """Return what the browser may know of *user*."""
        return {name: getattr(user, name) for name in ("username", *SHOWN_FIELDS)}

    async def get_user(self, handler: web.RequestHandler) -> HubUser | None:
        """Return the visitor who makes the request, or None.

        Raises:
            HTTPError: 403 for a visitor who may not enter, 503 if the hub does not answer; never on a public page.
        """
        known: HubUser | None = getattr(handler, "_jupyter_current_user", None)
        if known is not None:
            return known
        try:
            user = await self._identify(handler)
        except web.HTTPError:
            # The error page asks who is signed in; without an answer it would fail in its turn.
            handler.current_user = None
            handler._jupyter_current_user = None  # type: ignore[attr-defined]
            if not is_public(handler):
                raise
            return None
        if user is None:
            # Called by tornado only if the method is not public, so that no sign-in begins in vain.
            handler.get_login_url = lambda: self.login_url(handler)  # type: ignore[method-assign]
        return user

    def login_url(self, handler: web.RequestHandler) -> str:
        """Return where a page sends a browser that has to sign in; anything but a page is refused."""
        if not is_page(handler):
            raise web.HTTPError(403)
        answer = self.auth.begin(visit(handler), handler.request.uri or "")
        send_cookies(handler, answer)
        return answer.location

    async def _identify(self, handler: web.RequestHandler) -> HubUser | None:
        try:
            visitor = await self.auth.identify(visit(handler))
        except HubUnavailable as error:
            raise_refusal(handler, self.auth.away(error))
        handler._token_authenticated = visitor is not None and not visitor.by_cookie  # type: ignore[attr-defined]
        if visitor is None:
            return None
        if not self.auth.may_enter(visitor.identity):
            raise_refusal(handler, self.auth.refuse(visitor.identity))
        return HubUser.from_identity(visitor.identity)

    def get_token(self, handler: web.RequestHandler) -> str | None:
        """Return the token that the request itself shows."""
        return self.auth.shown_token(visit(handler)) or None

    def get_cookie_name(self, handler: web.RequestHandler | None = None) -> str:
        """Return the name of the cookie that keeps a visitor signed in."""
        return self.auth.cookies.login_name

    def clear_login_cookie(self, handler: web.RequestHandler) -> None:
        """Sign the browser out of this server."""
        cookie = self.auth.cookies.remove(visit(handler), self.auth.cookies.login_name)
        send_cookies(handler, WebAnswer(200, cookies=(cookie,)))


def visit(handler: web.RequestHandler) -> WebRequest:
    """Return what the request that *handler* answers says."""
    return web_request(handler.request, websocket=isinstance(handler, WebSocketHandler))


def cookie_secret(environment: ServerEnvironment) -> bytes:
    """Return the key of Jupyter's own cookies: the same for as long as the hub gives the server the same token."""
    return derive_key(environment.api_token, "cookies of Jupyter Server")


def is_public(handler: web.RequestHandler) -> bool:
    """Say whether the requested method of *handler* is open to everybody."""
    method = getattr(handler, (handler.request.method or "").lower(), None)
    return bool(getattr(method, "__allow_unauthenticated", False))


def is_page(handler: web.RequestHandler) -> bool:
    """Say whether a person's browser asks for a page, which a redirection to the hub can answer."""
    if isinstance(handler, (APIHandler, WebSocketHandler)) or handler.request.method not in {"GET", "HEAD"}:
        return False
    return handler.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
