"""The hub's REST API, as far as signing in and reporting activity need it; `perijove.client.rest` has all of it.

Two outcomes are kept apart throughout: the hub *refused* (it answered, and the answer is no) and the hub is
*unavailable* (no answer, or one that only says that something in between is broken). What was known stays true in the
second case only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from perijove.client.environment import HubEnvironment
from perijove.client.identity import HubIdentity, InvalidIdentity
from perijove.client.transport import REQUEST_TIMEOUT, HubUnavailable, Reply, Transport
from perijove.wire.versions import PROTOCOL_HEADER

__all__ = ["AccessToken", "ClientRefused", "CodeRefused", "HubApi", "HubUnavailable", "is_header_value"]


class CodeRefused(Exception):
    """The hub does not accept this OAuth code: it is used up, too old or another client's."""


class ClientRefused(Exception):
    """The hub does not know this server's OAuth client or its secret any more."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that the hub issued for a browser.

    Attributes:
        value: the token.
        expires_in: seconds it is good for, or None if the hub did not say.
    """

    value: str = field(repr=False)
    expires_in: int | None


class HubApi:
    """Asks the hub. Every method may raise HubUnavailable; none blocks the event loop or outlasts *timeout* seconds."""

    def __init__(self, environment: HubEnvironment, *, timeout: float = REQUEST_TIMEOUT) -> None:
        self._environment = environment
        self._timeout = timeout
        self._transport = Transport(
            keyfile=environment.keyfile, certfile=environment.certfile, client_ca=environment.client_ca
        )

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    async def user_for_token(self, token: str, *, timeout: float | None = None) -> HubIdentity | None:
        """Return the owner of *token*, or None if the hub refuses it.

        Raises:
            HubUnavailable: no answer, or neither an identity nor a refusal, within *timeout* seconds.
        """
        if not is_header_value(token):
            return None
        response = await self._fetch(
            f"{self._environment.api_url}/user", headers={"Authorization": f"token {token}"}, timeout=timeout
        )
        if response.status in {401, 403}:
            return None
        if response.status != 200:
            raise HubUnavailable(f"the hub answered {response.status} to a question about a token")
        try:
            return HubIdentity.from_model(json.loads(response.body))
        except (InvalidIdentity, ValueError) as error:
            raise HubUnavailable(f"the hub's answer about a token cannot be read: {error}") from error

    async def exchange_code(self, code: str, verifier: str) -> AccessToken:
        """Return the token that the hub gives for an OAuth *code* (RFC 6749 section 4.1.3).

        Raises:
            CodeRefused: the sign-in has to begin again.
            ClientRefused: this server has to be started again.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": self._environment.callback_url,
            "client_id": self._environment.client_id,
            "client_secret": self._environment.api_token,
        }
        response = await self._fetch(
            f"{self._environment.api_url}/oauth2/token",
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form),
        )
        if response.status in {401, 403}:
            raise ClientRefused
        if response.status == 400:
            raise CodeRefused
        try:
            answer = json.loads(response.body) if response.status == 200 else {}
            token, expires_in = answer["access_token"], answer.get("expires_in")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HubUnavailable(f"the hub answered {response.status} without a token") from error
        if not isinstance(token, str) or not is_header_value(token):
            raise HubUnavailable("the hub answered with something that is no token")
        return AccessToken(token, expires_in if type(expires_in) is int and expires_in > 0 else None)

    async def post_activity(self, report: Mapping[str, object]) -> int:
        """Send an activity *report*; return the status that the hub answered."""
        headers = {"Authorization": f"token {self._environment.api_token}", "Content-Type": "application/json"}
        response = await self._fetch(
            self._environment.activity_url, method="POST", headers=headers, body=json.dumps(report)
        )
        return response.status

    async def version(self) -> str | None:
        """Return the protocol version that the hub states, or None if it states none."""
        response = await self._fetch(self._environment.api_url)
        if response.status >= 300:
            raise HubUnavailable(f"the hub answered {response.status}")
        return response.headers.get(PROTOCOL_HEADER.lower())

    async def _fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout: float | None = None,
    ) -> Reply:
        limit = self._timeout if timeout is None else timeout
        return await self._transport.send(url, method=method, headers=headers, body=body, timeout=limit)


def is_header_value(token: str) -> bool:
    """Say whether *token* can stand in a header: visible ASCII characters only, and not overlong."""
    return 0 < len(token) <= 4096 and all("!" <= char <= "~" for char in token)
