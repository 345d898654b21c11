"""Who makes a request: the hub knows, from a token in the Authorization header or in this server's signed cookie.

A page that is asked for without either leads to the hub's sign-in; anything that is no page is refused. Whoever signed
in but may not enter is told so, and is not sent round again.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import Any, cast

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.websocket import WebSocketHandler
from traitlets import Any as AnyTrait
from traitlets import Instance, Unicode, default

from perijove.client.api import HubApi, HubUnavailable
from perijove.client.environment import ServerEnvironment
from perijove.client.identity import HubIdentity
from perijove.client.oauth import MAX_SIGN_IN_AGE, PendingSignIns, authorize_url, safe_next
from perijove.client.resolver import IdentityResolver

SESSION_COOKIE = "jupyterhub-session-id"
MAX_STATE_COOKIES = 8
MAX_COOKIE_DAYS = 30.0
DAY = 24 * 3600.0
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
    hub = Instance(HubApi)
    resolver = Instance(IdentityResolver)
    sign_ins = Instance(PendingSignIns)
    clock = AnyTrait(time.monotonic)

    @default("environment")
    def _default_environment(self) -> ServerEnvironment:
        return cast("ServerEnvironment", cast("Any", self.parent).environment)

    @default("hub")
    def _default_hub(self) -> HubApi:
        return HubApi(self.environment)

    @default("resolver")
    def _default_resolver(self) -> IdentityResolver:
        return IdentityResolver(self.hub)

    @default("sign_ins")
    def _default_sign_ins(self) -> PendingSignIns:
        return PendingSignIns(self.state_cookie_prefix)

    @property
    def state_cookie_prefix(self) -> str:
        """What the names of all state cookies of this server begin with."""
        return f"{self.get_cookie_name()}-oauth-state"

    def get_handlers(self) -> list[tuple[str, object]]:
        """Return the pages for signing in and out."""
        from perijove.singleuser.handlers import HANDLERS  # they need this module

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
        return self.begin_sign_in(handler, handler.request.uri or "")

    async def _identify(self, handler: web.RequestHandler) -> HubUser | None:
        session_id = handler.get_cookie(SESSION_COOKIE, "") or ""
        try:
            explicit = self.get_token(handler)
            identity = await self.resolver.identify(explicit, session_id) if explicit else None
            handler._token_authenticated = identity is not None  # type: ignore[attr-defined]
            if identity is None and (token := self.cookie_token(handler)):
                identity = await self.resolver.identify(token, session_id)
                if identity is None:
                    self.clear_login_cookie(handler)
        except HubUnavailable as error:
            self.log.warning("Cannot tell who makes a request: %s", error)
            raise web.HTTPError(
                503, "The hub does not answer, so nobody can sign in. Try again in a moment."
            ) from error
        if identity is None:
            return None
        if not identity.may_enter(self.environment.access_scopes):
            self.log.warning("Refused: %s", identity.refusal)
            raise web.HTTPError(403, "%s", identity.refusal)
        return HubUser.from_identity(identity)

    def get_token(self, handler: web.RequestHandler) -> str | None:
        """Return the token that the request itself shows.

        In the address it counts only for WebSockets, which browsers cannot give headers, and where the operator allows
        it: addresses end up in logs and histories.
        """
        if match := self.auth_header_pat.fullmatch(handler.request.headers.get("Authorization", "")):
            return str(match.group(2)).strip()
        if self.environment.allow_token_in_url or isinstance(handler, WebSocketHandler):
            return handler.get_query_argument("token", None)
        return None

    # Cookies

    def get_cookie_name(self, handler: web.RequestHandler | None = None) -> str:
        """Return the name of the cookie that keeps a visitor signed in: the OAuth client's id, as JupyterHub has it."""
        return ("__Host-" if self.environment.cookie_host_prefix else "") + self.environment.client_id

    def cookie_attributes(self, handler: web.RequestHandler) -> dict[str, Any]:
        """Return the attributes of every cookie that this server sets for itself."""
        attributes: dict[str, Any] = {"samesite": "Lax", **self.environment.cookie_options}
        if handler.request.protocol == "https":
            attributes["secure"] = True
        attributes |= {"httponly": True, "path": self.environment.prefix}
        if self.environment.cookie_host_prefix:
            # Browsers accept the prefix only with exactly these.
            attributes |= {"path": "/", "secure": True}
            attributes.pop("domain", None)
        return attributes

    def cookie_token(self, handler: web.RequestHandler) -> str:
        """Return the token in the request's signed cookie; empty if there is none or its signature is not ours."""
        value = handler.get_signed_cookie(self.get_cookie_name(handler))
        return value.decode("utf-8", "replace") if value else ""

    def set_token_cookie(self, handler: web.RequestHandler, token: str, expires_in: int | None) -> None:
        """Keep the visitor signed in for as long as the token is good, *expires_in* seconds."""
        days = min(MAX_COOKIE_DAYS, expires_in / DAY) if expires_in else MAX_COOKIE_DAYS
        attributes = {"expires_days": days, **self.cookie_attributes(handler)}
        handler.set_signed_cookie(self.get_cookie_name(handler), token, **attributes)

    def clear_login_cookie(self, handler: web.RequestHandler) -> None:
        """Sign the browser out of this server."""
        self._clear(handler, self.get_cookie_name(handler))

    def _clear(self, handler: web.RequestHandler, name: str) -> None:
        attributes = self.cookie_attributes(handler)
        handler.clear_cookie(name, path=attributes["path"], domain=attributes.get("domain"))

    # Signing in

    def begin_sign_in(self, handler: web.RequestHandler, next_url: str, *, attempt: int = 1) -> str:
        """Remember a new sign-in, give the browser its cookie and return the hub's address to go to.

        *next_url* is where the browser goes afterwards; what is not inside the own prefix leads to the prefix.
        """
        now = self.clock()
        self._tidy_state_cookies(handler, now)
        target = safe_next(next_url, self.environment.prefix)
        sign_in = self.sign_ins.begin(target, now, attempt=attempt)
        attributes = {**self.cookie_attributes(handler), "expires_days": None, "max_age": int(MAX_SIGN_IN_AGE)}
        handler.set_signed_cookie(sign_in.cookie_name, sign_in.state, **attributes)
        return authorize_url(
            self.environment.authorize_url,
            client_id=self.environment.client_id,
            redirect_uri=self.environment.callback_url,
            state=sign_in.state,
            verifier=sign_in.verifier,
        )

    def read_state_cookie(self, handler: web.RequestHandler, name: str) -> str:
        """Return the state in the cookie *name*; empty if there is none, or it is too old or not ours."""
        value = handler.get_signed_cookie(name, max_age_days=MAX_SIGN_IN_AGE / DAY)
        return value.decode("utf-8", "replace") if value else ""

    def clear_state_cookie(self, handler: web.RequestHandler, name: str) -> None:
        """Remove the state cookie *name* from the browser."""
        self._clear(handler, name)

    def _tidy_state_cookies(self, handler: web.RequestHandler, now: float) -> None:
        """Remove the cookies of sign-ins that are over, and all of them where they are too many to go on."""
        names = [name for name in handler.request.cookies if name.startswith(f"{self.state_cookie_prefix}-")]
        for name in names:
            over = self.sign_ins.find(self.read_state_cookie(handler, name), now) is None
            if over or len(names) >= MAX_STATE_COOKIES:
                self.clear_state_cookie(handler, name)


def cookie_secret(environment: ServerEnvironment) -> bytes:
    """Return the key that signs this server's cookies: the same for as long as the hub gives it the same token."""
    return hmac.digest(environment.api_token.encode(), b"perijove: cookies of a single-user server", "sha256")


def is_public(handler: web.RequestHandler) -> bool:
    """Say whether the requested method of *handler* is open to everybody."""
    method = getattr(handler, (handler.request.method or "").lower(), None)
    return bool(getattr(method, "__allow_unauthenticated", False))


def is_page(handler: web.RequestHandler) -> bool:
    """Say whether a person's browser asks for a page, which a redirection to the hub can answer."""
    if isinstance(handler, (APIHandler, WebSocketHandler)) or handler.request.method not in {"GET", "HEAD"}:
        return False
    return handler.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
