"""An identity provider for tests, and an authenticator that signs people in there.

    provider = FakeProvider()
    async with running_hub(authenticator=provider.authenticator(allow_all=True)) as hub: ...

The authenticator shows how such a one is written: the authorization code grant of OAuth 2 with PKCE (RFC 6749 section
4.1, RFC 7636). The provider is an ASGI application; a browser finds a link for each of its people, and one to refuse.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from traitlets import Unicode

from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.sign_in import (
    BeginAgain,
    Complete,
    LeadTo,
    Outcome,
    Refused,
    SignInExchange,
    SignInHandler,
)

CLIENT_ID = "the-hub"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class ProviderAuthenticator(Authenticator):
    """Signs people in at a provider."""

    provider_url = Unicode(help="Where the provider is, without a slash at its end.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transport: httpx.AsyncBaseTransport | None = None

    def login_url(self, base_url: str) -> str:
        """Return where a sign-in begins."""
        return f"{base_url}provider_login"

    def get_handlers(self, app: Site) -> Iterable[tuple[str, SignInHandler]]:
        """Return where it begins and where it ends."""
        return [("/provider_login", self.begin), ("/provider_callback", self.finish)]

    async def begin(self, exchange: SignInExchange) -> Outcome:
        """Lead the browser to the provider."""
        verifier = secrets.token_urlsafe(32)
        query = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": exchange.url_of("/provider_callback"),
            "state": await exchange.begin({"verifier": verifier}),
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return LeadTo(f"{self.provider_url}/authorize?{urlencode(query)}")

    async def finish(self, exchange: SignInExchange) -> Outcome:
        """Take the browser back."""
        kept = await exchange.resume(exchange.query.get("state", ""))
        if kept is None:
            return BeginAgain()
        if "error" in exchange.query:
            return Refused(exchange.query.get("error_description", exchange.query["error"]))
        redirect_uri = exchange.url_of("/provider_callback")
        return Complete({"code": exchange.query.get("code", ""), "redirect_uri": redirect_uri, **kept})

    async def authenticate(self, handler: SignInRequest, data: Mapping[str, Any]) -> str | None:
        """Return whose code it is; None if it is nobody's."""
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": data["code"],
            "redirect_uri": data["redirect_uri"],
            "code_verifier": data["verifier"],
        }
        async with httpx.AsyncClient(transport=self.transport, trust_env=False) as client:
            answer = await client.post(f"{self.provider_url}/token", data=form)
        return str(answer.json()["name"]) if answer.status_code == 200 else None


@dataclass
class FakeProvider:
    """The provider.

    Attributes:
        people: whom its page offers.
        remembers: who is signed in there already, so that nobody is asked.
        begun: the addresses that browsers were led to.
    """

    people: Sequence[str] = ("ada", "bob")
    remembers: str = ""
    begun: list[str] = field(default_factory=list)
    _codes: dict[str, tuple[str, str, str]] = field(default_factory=dict, repr=False)

    def authenticator(self, url: str = "http://provider.test", **options: Any) -> ProviderAuthenticator:
        """Return an authenticator that asks this provider without a network."""
        made = ProviderAuthenticator(provider_url=url, **options)
        made.transport = httpx.ASGITransport(app=self)
        return made

    def approve(self, url: str, name: str) -> str:
        """Return where the browser that was led to *url* is sent back to as *name*."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe(16)
        self._codes[code] = name, query["code_challenge"], query["redirect_uri"]
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def deny(self, url: str, reason: str = "The person said no.") -> str:
        """Return where the browser that was led to *url* is sent back to as nobody."""
        query = dict(parse_qsl(urlsplit(url).query))
        told = {"error": "access_denied", "error_description": reason, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(told)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer ``/authorize`` for browsers and ``/token`` for the hub."""
        request = Request(scope, receive)
        response = await self._token(request) if request.url.path == "/token" else self._authorize(str(request.url))
        await response(scope, receive, send)

    def _authorize(self, url: str) -> Response:
        self.begun.append(url)
        if self.remembers:
            return RedirectResponse(self.approve(url, self.remembers), status_code=302)
        ways = {name: self.approve(url, name) for name in self.people} | {"deny": self.deny(url)}
        links = (f'<p><a id="{name}" href="{html.escape(target)}">{name}</a></p>' for name, target in ways.items())
        return HTMLResponse(f"<!doctype html><title>Provider</title>{''.join(links)}")

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        name, challenge, redirect_uri = self._codes.pop(form.get("code", ""), ("", "", ""))
        if not name or challenge != _challenge(form["code_verifier"]) or redirect_uri != form["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse({"name": name})
