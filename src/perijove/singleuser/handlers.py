"""The pages for signing in and out: ``login``, ``oauth_callback`` and ``logout``, all below the server's prefix."""

from __future__ import annotations

import hmac
from typing import cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from perijove.client.api import ClientRefused, CodeRefused, HubUnavailable
from perijove.client.oauth import MAX_ATTEMPTS, SignIn, attempt_of, safe_next
from perijove.singleuser.identity_provider import SESSION_COOKIE, HubIdentityProvider

MAX_SHOWN_ERROR = 200


class SignInHandler(JupyterHandler):
    """What the pages share."""

    @property
    def provider(self) -> HubIdentityProvider:
        """The identity provider, which holds the sign-ins under way."""
        return cast("HubIdentityProvider", self.identity_provider)

    @property
    def prefix(self) -> str:
        """The server's prefix."""
        return self.provider.environment.prefix

    def prepare_answer(self) -> None:
        """Keep what is said here out of every cache."""
        self.set_header("Cache-Control", "no-store")


class LoginHandler(SignInHandler):
    """Sends the browser to the hub, or on to where it wanted to go if it is signed in already."""

    @allow_unauthenticated
    def get(self) -> None:
        """Redirect; ``next`` says where to go afterwards."""
        self.prepare_answer()
        target = safe_next(self.get_query_argument("next", ""), self.prefix)
        if self.current_user is None:
            target = self.provider.begin_sign_in(self, target)
        self.redirect(target)


class CallbackHandler(SignInHandler):
    """Where the hub sends the browser back, with a code that is exchanged for a token."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Finish the sign-in whose state is given, or quietly begin again if it is not one of this browser's."""
        self.prepare_answer()
        state = self.get_query_argument("state", "")
        sign_in = self.provider.sign_ins.find(state, self.provider.clock())
        if sign_in is None or not self.is_own(sign_in):
            self.begin_again(state, sign_in.next_url if sign_in else self.prefix)
            return
        self.provider.sign_ins.finish(sign_in)
        self.provider.clear_state_cookie(self, sign_in.cookie_name)
        if problem := self.get_query_argument("error", ""):
            raise web.HTTPError(403, "The hub did not let you sign in here: %s", problem[:MAX_SHOWN_ERROR])
        try:
            await self.finish_sign_in(sign_in)
        except CodeRefused:
            self.begin_again(state, sign_in.next_url)
        except ClientRefused as refused:
            self.log.error("The hub refuses this server's client id or secret")  # noqa: TRY400  # no traceback needed
            raise web.HTTPError(
                500, "The hub does not know this server any more. Stop it and start it again."
            ) from refused
        except HubUnavailable as error:
            self.log.warning("Cannot finish a sign-in: %s", error)
            raise web.HTTPError(
                503, "The hub does not answer, so nobody can sign in. Try again in a moment."
            ) from error

    def is_own(self, sign_in: SignIn) -> bool:
        """Say whether this browser began *sign_in*; otherwise somebody else may be handing it an identity."""
        cookie = self.provider.read_state_cookie(self, sign_in.cookie_name)
        return hmac.compare_digest(cookie.encode(), sign_in.state.encode())

    async def finish_sign_in(self, sign_in: SignIn) -> None:
        """Exchange the code and go where the browser wanted to go."""
        token = await self.provider.hub.exchange_code(self.get_query_argument("code", ""), sign_in.verifier)
        identity = await self.provider.resolver.identify(token.value, self.get_cookie(SESSION_COOKIE, "") or "")
        if identity is None:
            raise HubUnavailable("the hub does not know the token that it just issued")
        if not identity.may_enter(self.provider.environment.access_scopes):
            self.log.warning("Refused: %s", identity.refusal)
            raise web.HTTPError(403, "%s", identity.refusal)
        self.log.info("%s %s signed in", identity.kind, identity.name[:255])
        self.provider.set_token_cookie(self, token.value, token.expires_in)
        self.redirect(sign_in.next_url)

    def begin_again(self, state: str, next_url: str) -> None:
        """Begin a new sign-in in place of one that went stale; give up where the browser keeps no cookies."""
        attempt = attempt_of(state) + 1
        if self.current_user is not None:
            self.redirect(next_url)
        elif attempt > MAX_ATTEMPTS:
            raise web.HTTPError(400, "Signing in did not work. Does your browser accept cookies from this site?")
        else:
            self.redirect(self.provider.begin_sign_in(self, next_url, attempt=attempt))


class LogoutHandler(SignInHandler):
    """Signs out here and goes on to the hub, which ends the session everywhere."""

    @allow_unauthenticated
    def get(self) -> None:
        """Forget the visitor and redirect."""
        self.prepare_answer()
        if token := self.provider.cookie_token(self):
            self.provider.resolver.forget(token)
        self.provider.clear_login_cookie(self)
        self.redirect(f"{self.provider.environment.hub_url}logout")


HANDLERS: tuple[tuple[str, type[SignInHandler]], ...] = (
    ("/login", LoginHandler),
    ("/oauth_callback", CallbackHandler),
    ("/logout", LogoutHandler),
)
