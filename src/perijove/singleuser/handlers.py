"""The pages for signing in and out: ``login``, ``oauth_callback`` and ``logout``, all below the server's prefix."""

from __future__ import annotations

from typing import NoReturn, Protocol, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from perijove.client.auth import HubOAuth
from perijove.client.messages import WebAnswer
from perijove.client.tornado import send_cookies, web_request


class SignsIn(Protocol):
    """An identity provider as these pages need it."""

    auth: HubOAuth


def raise_refusal(handler: web.RequestHandler, answer: WebAnswer) -> NoReturn:
    """Have Jupyter show *answer*, which is no redirection, as one of its own error pages."""
    send_cookies(handler, answer)
    raise web.HTTPError(answer.status, "%s", answer.message)


class SignInHandler(JupyterHandler):
    """What the pages share."""

    @property
    def auth(self) -> HubOAuth:
        """What signs visitors in."""
        return cast("SignsIn", self.identity_provider).auth

    def follow(self, answer: WebAnswer) -> None:
        """Say what *answer* says, and keep it out of every cache."""
        self.set_header("Cache-Control", "no-store")
        if not answer.location:
            raise_refusal(self, answer)
        send_cookies(self, answer)
        self.redirect(answer.location)


class LoginHandler(SignInHandler):
    """Sends the browser to the hub, or on to where it wanted to go if it is signed in already."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Redirect; ``next`` says where to go afterwards."""
        self.follow(await self.auth.login(web_request(self.request)))


class CallbackHandler(SignInHandler):
    """Where the hub sends the browser back, with a code that is exchanged for a token."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Finish the sign-in whose state is given, or quietly begin again if it is not one of this browser's."""
        self.follow(await self.auth.finish(web_request(self.request)))


class LogoutHandler(SignInHandler):
    """Signs out here and goes on to the hub, which ends the session everywhere."""

    @allow_unauthenticated
    def get(self) -> None:
        """Forget the visitor and redirect."""
        self.follow(self.auth.sign_out(web_request(self.request)))


HANDLERS: tuple[tuple[str, type[SignInHandler]], ...] = (
    ("/login", LoginHandler),
    ("/oauth_callback", CallbackHandler),
    ("/logout", LogoutHandler),
)
