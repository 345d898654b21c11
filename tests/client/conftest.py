"""The environment of a service, and a hub that answers its questions without a network."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from perijove.client.api import AccessToken, ClientRefused, CodeRefused, HubUnavailable
from perijove.client.environment import ServiceEnvironment
from perijove.client.identity import HubIdentity
from perijove.client.oauth import pkce_challenge

PREFIX = "/services/whoami/"
ACCESS = "access:services!service=whoami"
ENVIRON = {
    "JUPYTERHUB_API_TOKEN": "secret-of-the-service",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
    "JUPYTERHUB_SERVICE_NAME": "whoami",
}


def identity(name: str, *scopes: str, kind: str = "user") -> HubIdentity:
    return HubIdentity.from_model({"name": name, "kind": kind, "scopes": list(scopes)})


@dataclass
class FakeHub:
    """Whose token, which code; away while told so."""

    tokens: dict[str, HubIdentity] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    away: bool = False
    knows_client: bool = True
    asked: list[str] = field(default_factory=list)

    async def user_for_token(self, token: str, *, timeout: float | None = None) -> HubIdentity | None:
        self.asked.append(token)
        if self.away:
            raise HubUnavailable("away")
        return self.tokens.get(token)

    async def exchange_code(self, code: str, verifier: str) -> AccessToken:
        if self.away:
            raise HubUnavailable("away")
        if not self.knows_client:
            raise ClientRefused
        name, challenge = self.codes.pop(code, ("", ""))
        if not name or pkce_challenge(verifier) != challenge:
            raise CodeRefused
        return AccessToken(self.token_for(name), 3600)

    def close(self) -> None: ...

    def token_for(self, name: str, *scopes: str) -> str:
        token = secrets.token_urlsafe(12)
        self.tokens[token] = identity(name, *(scopes or ((ACCESS,) if name != "bob" else ())))
        return token

    def authorize(self, location: str, name: str = "alice") -> dict[str, str]:
        """Do what the hub's page does when *name* comes with *location*; return the query of the way back."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith("/hub/api/oauth2/authorize?")
        assert query["client_id"] == "service-whoami"
        assert query["redirect_uri"] == f"{PREFIX}oauth_callback"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(12)
        self.codes[code] = (name, query["code_challenge"])
        return {"code": code, "state": query["state"]}


@pytest.fixture
def environ() -> Mapping[str, str]:
    return ENVIRON


@pytest.fixture
def environment() -> ServiceEnvironment:
    return ServiceEnvironment.from_environ(ENVIRON)


@pytest.fixture
def hub() -> Any:
    return FakeHub()
