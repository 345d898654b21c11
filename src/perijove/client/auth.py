"""Who makes a request, for programs that stand behind a hub: `HubAuth` for tokens, `HubOAuth` for browsers as well.

`enter` is the one door: HTTP requests and WebSockets go through it alike. It returns either the visitor, or the answer
to give instead: a redirection to the hub's sign-in, a refusal, or, while the hub is away, "try again". Nothing here
knows a web framework; `perijove.client.asgi` and `perijove.client.tornado` are the edges.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from perijove.client.api import AccessToken, ClientRefused, CodeRefused, HubApi, HubUnavailable
from perijove.client.cache import MAX_SESSION_ID
from perijove.client.cookies import Cookies, derive_key
from perijove.client.environment import HubEnvironment, ServiceEnvironment
from perijove.client.identity import MAX_SHOWN_NAME, HubIdentity
from perijove.client.messages import Cookie, WebAnswer, WebRequest, redirect
from perijove.client.oauth import (
    MAX_ATTEMPTS,
    MAX_SIGN_IN_AGE,
    SignIn,
    attempt_of,
    authorize_url,
    begin_sign_in,
    key_of,
    pkce_verifier,
    safe_next,
    surplus,
)
from perijove.client.resolver import IdentityResolver
from perijove.client.xsrf import forgery, is_navigation, sent_token, xsrf_token

LOG = logging.getLogger(__name__)
SESSION_COOKIE = "jupyterhub-session-id"
AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)
MAX_SHOWN_ERROR = 200
RETRY_AFTER = 10
HUB_AWAY = "The hub does not answer, so nobody can sign in. Try again in a moment."
NO_TOKEN = "Missing or invalid credentials."
FORGOTTEN = "The hub does not know this program any more. Stop it and start it again."
NO_COOKIES = "Signing in did not work. Does your browser accept cookies from this site?"

TokenInUrl = Literal["never", "websockets", "always"]
"""Where ``?token=`` in an address counts; addresses end up in logs and histories, so by default nowhere."""

Admits = Callable[[HubIdentity], bool]
AnyAuth = TypeVar("AnyAuth", bound="HubAuth")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who makes a request.

    Attributes:
        identity: the hub's answer about the visitor's token.
        token: with it the program can ask the hub on the visitor's behalf.
        by_cookie: whether the token came in a cookie, which browsers send unasked.
    """

    identity: HubIdentity
    token: str = field(repr=False)
    by_cookie: bool = False


class HubAuth:
    """Identifies visitors by the token that their requests show."""

    def __init__(
        self,
        environment: HubEnvironment,
        *,
        hub: HubApi | None = None,
        resolver: IdentityResolver | None = None,
        token_in_url: TokenInUrl | None = None,
        log: logging.Logger = LOG,
    ) -> None:
        """Prepare to ask the hub that *environment* describes; nothing is asked yet.

        *token_in_url* says where ``?token=`` counts, by default where ``JUPYTERHUB_ALLOW_TOKEN_IN_URL`` wants it.
        """
        self.environment = environment
        self.log = log
        self.hub = hub or HubApi(environment)
        self.resolver = resolver or IdentityResolver(self.hub)
        self._token_in_url = token_in_url or ("always" if environment.allow_token_in_url else "never")

    @classmethod
    def from_environ(cls: type[AnyAuth], environ: Mapping[str, str] | None = None) -> AnyAuth:
        """Return what identifies the visitors of the service that *environ* describes, by default the process's own.

        Raises:
            InvalidEnvironment: it names every missing and every unusable variable at once.
        """
        return cls(ServiceEnvironment.from_environ(environ))

    def close(self) -> None:
        """Give back the connections to the hub."""
        self.hub.close()

    def may_enter(self, identity: HubIdentity) -> bool:
        """Say whether *identity* holds one of this program's access scopes."""
        return identity.may_enter(self.environment.access_scopes)

    def shown_token(self, request: WebRequest) -> str:
        """Return the token that *request* itself shows; empty if it shows none."""
        if match := AUTHORIZATION.fullmatch(request.headers.get("authorization", "")):
            return match[1]
        if self._token_in_url == "always" or (self._token_in_url == "websockets" and request.websocket):
            return request.query("token")
        return ""

    async def identify(self, request: WebRequest) -> Visitor | None:
        """Return who makes *request*, whether or not they may enter; None if that is nobody the hub knows.

        Raises:
            HubUnavailable: the hub does not answer, and did not vouch for this visitor within the last day.
        """
        token = self.shown_token(request)
        identity = await self.resolver.identify(token, session_of(request)) if token else None
        return Visitor(identity, token) if identity is not None else None

    async def enter(
        self, request: WebRequest, *, form_token: str = "", admits: Admits | None = None
    ) -> Visitor | WebAnswer:
        """Return the visitor if they may do this, else the answer to give instead.

        Args:
            request: HTTP or WebSocket.
            form_token: the token against forgery if the request has it in its body.
            admits: says who may; by default whoever holds one of this program's access scopes.
        """
        try:
            visitor = await self.identify(request)
        except HubUnavailable as error:
            return self.away(error)
        if visitor is None:
            return self._stranger(request)
        if not (admits or self.may_enter)(visitor.identity):
            return self.refuse(visitor.identity)
        return self._check(request, visitor, form_token) or visitor

    def away(self, error: HubUnavailable) -> WebAnswer:
        """Return the answer while the hub is away."""
        self.log.warning("Cannot tell who makes a request: %s", error)
        return WebAnswer(503, HUB_AWAY, retry_after=RETRY_AFTER)

    def refuse(self, identity: HubIdentity) -> WebAnswer:
        """Return the answer for one whom the hub knows and who may not do this."""
        self.log.warning("Refused: %s", identity.refusal)
        return WebAnswer(403, identity.refusal)

    def _stranger(self, request: WebRequest) -> WebAnswer:
        """Return the answer for one whom the hub does not know."""
        return WebAnswer(403, NO_TOKEN)

    def _check(self, request: WebRequest, visitor: Visitor, form_token: str) -> WebAnswer | None:
        """Return the answer to a request that the visitor may not have meant: nobody sends a token by accident."""
        return None


class HubOAuth(HubAuth):
    """Identifies visitors by a token, or by a cookie that they get by signing in at the hub."""

    def __init__(
        self,
        environment: HubEnvironment,
        *,
        hub: HubApi | None = None,
        resolver: IdentityResolver | None = None,
        token_in_url: TokenInUrl | None = None,
        log: logging.Logger = LOG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to ask the hub; *clock* returns seconds since 1970. The rest is as for `HubAuth`."""
        super().__init__(environment, hub=hub, resolver=resolver, token_in_url=token_in_url, log=log)
        self.cookies = Cookies(environment)
        self._clock = clock
        self._pkce_key = derive_key(environment.api_token, "PKCE")
        self._xsrf_key = derive_key(environment.api_token, "XSRF")

    async def identify(self, request: WebRequest) -> Visitor | None:
        """Return who makes *request*: by its token if that is good, else by its cookie."""
        if visitor := await super().identify(request):
            return visitor
        session, token = self._login(request)
        shown = session_of(request)
        identity = await self.resolver.identify(token, shown) if token else None
        if identity is None:
            return None
        # The browser has another session at the hub than when it got this cookie: somebody signed in there anew, or
        # a page planted a cookie of another person's.
        if shown and shown != (session or identity.session_id or shown):
            return None
        return Visitor(identity, token, by_cookie=True)

    def _login(self, request: WebRequest) -> tuple[str, str]:
        """Return session and token in the cookie of *request*; empty if there is none that we signed."""
        login = self.cookies.read(request, self.cookies.login_name, self._clock(), self.cookies.login_age())
        session, _, token = login.partition(" ")
        return session, token

    def xsrf_token(self, visitor: Visitor) -> str:
        """Return the token that forms and scripts in the pages for *visitor* send back as ``_xsrf``."""
        return xsrf_token(self._xsrf_key, visitor.token)

    def _stranger(self, request: WebRequest) -> WebAnswer:
        if not is_navigation(request) or not wants_page(request):
            return super()._stranger(request)
        return self.begin(request, request.target)

    def _check(self, request: WebRequest, visitor: Visitor, form_token: str) -> WebAnswer | None:
        if not visitor.by_cookie:
            return None
        origins = filter(None, (request.origin, origin_of(self.environment.public_url)))
        sent = sent_token(request) or form_token
        problem = forgery(request, self.xsrf_token(visitor), sent, origins)
        return WebAnswer(403, problem) if problem else None

    # Signing in and out

    def begin(self, request: WebRequest, next_url: str, *, attempt: int = 1) -> WebAnswer:
        """Return the answer that sends a browser to sign in at the hub.

        *next_url* is where it goes afterwards; what does not lie below the own prefix leads to the prefix.
        """
        sign_in = begin_sign_in(safe_next(next_url, self.environment.prefix), attempt=attempt)
        prefix = self.cookies.state_prefix
        unwanted = surplus(request.all_cookies(), prefix)
        if request.cookies(self.cookies.login_name):
            unwanted.append(self.cookies.login_name)
        location = authorize_url(
            self.environment.authorize_url,
            client_id=self.environment.client_id,
            redirect_uri=self.environment.callback_url,
            state=sign_in.state,
            verifier=pkce_verifier(self._pkce_key, sign_in.state),
        )
        state = self.cookies.make(
            request, prefix + sign_in.key, sign_in.packed(), now=self._clock(), max_age=MAX_SIGN_IN_AGE
        )
        return redirect(location, state, *(self.cookies.remove(request, name) for name in unwanted))

    async def login(self, request: WebRequest) -> WebAnswer:
        """Return the answer of a page ``login``: on to its ``next``, by way of the hub for one not signed in."""
        target = safe_next(request.query("next"), self.environment.prefix)
        try:
            visitor = await self.identify(request)
        except HubUnavailable as error:
            return self.away(error)
        return self.begin(request, target) if visitor is None else redirect(target)

    async def finish(self, request: WebRequest, *, admits: Admits | None = None) -> WebAnswer:
        """Return the answer of the page ``oauth_callback``, to which the hub sends browsers back.

        A sign-in that is not one of this browser's, or too old, quietly begins again.
        """
        state = request.query("state")
        name = self.cookies.state_prefix + key_of(state)
        packed = self.cookies.read(request, name, self._clock(), MAX_SIGN_IN_AGE)
        sign_in = SignIn.unpacked(packed)
        try:
            if not packed or sign_in.state != state:
                return await self._begin_again(request, SignIn(state, self.environment.prefix))
            answer = await self._finish(request, sign_in, admits or self.may_enter)
        except ClientRefused:
            self.log.error("The hub refuses this program's client id or secret")  # noqa: TRY400  # no traceback needed
            return WebAnswer(500, FORGOTTEN)
        except HubUnavailable as error:
            return self.away(error)
        over = self.cookies.remove(request, name)
        return WebAnswer(answer.status, answer.message, answer.location, (*answer.cookies, over), answer.retry_after)

    async def _finish(self, request: WebRequest, sign_in: SignIn, admits: Admits) -> WebAnswer:
        if problem := request.query("error"):
            return WebAnswer(403, f"The hub did not let you sign in here: {problem[:MAX_SHOWN_ERROR]}")
        try:
            verifier = pkce_verifier(self._pkce_key, sign_in.state)
            token = await self.hub.exchange_code(request.query("code"), verifier)
        except CodeRefused:
            return await self._begin_again(request, sign_in)
        identity = await self.resolver.identify(token.value, session_of(request))
        if identity is None:
            raise HubUnavailable("the hub does not know the token that it just issued")
        if not admits(identity):
            return self.refuse(identity)
        self.log.info("%s %s signed in", identity.kind, identity.name[:MAX_SHOWN_NAME])
        return redirect(sign_in.next_url, self.login_cookie(request, token))

    def login_cookie(self, request: WebRequest, token: AccessToken) -> Cookie:
        """Return the cookie that keeps the owner of *token* signed in."""
        login = f"{session_of(request)} {token.value}"
        max_age = self.cookies.login_age(token.expires_in)
        return self.cookies.make(request, self.cookies.login_name, login, now=self._clock(), max_age=max_age)

    async def _begin_again(self, request: WebRequest, sign_in: SignIn) -> WebAnswer:
        """Begin a new sign-in in place of one that went stale; give up where the browser keeps no cookies."""
        attempt = attempt_of(sign_in.state) + 1
        if await self.identify(request) is not None:
            return redirect(sign_in.next_url)
        if attempt > MAX_ATTEMPTS:
            return WebAnswer(400, NO_COOKIES)
        return self.begin(request, sign_in.next_url, attempt=attempt)

    def sign_out(self, request: WebRequest) -> WebAnswer:
        """Return the answer of a page ``logout``: signed out here, and on to the hub, which ends the whole session."""
        _, token = self._login(request)
        if token:
            self.resolver.forget(token)
        return redirect(f"{self.environment.hub_url}logout", self.cookies.remove(request, self.cookies.login_name))


def session_of(request: WebRequest) -> str:
    """Return the id of the browser's session at the hub; empty if it shows none that can be one."""
    session = next(iter(request.cookies(SESSION_COOKIE)), "")
    return session if len(session) <= MAX_SESSION_ID and " " not in session else ""


def wants_page(request: WebRequest) -> bool:
    """Say whether a page, rather than data, is an answer that the client understands."""
    accepted = request.headers.get("accept", "*/*")
    return "application/json" not in accepted or "text/html" in accepted


def origin_of(url: str) -> str:
    """Return ``scheme://host[:port]`` of *url*; empty for an empty one."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0]}" if separator else ""
