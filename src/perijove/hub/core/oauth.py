"""The OAuth 2 provider's decisions (RFC 6749, PKCE: RFC 7636), as far as single-user servers need them.

Two deviations, because the clients in containers need them: the redirect URI may be a bare path on our own origin, and
client credentials come in the form body only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from perijove.hub.core.errors import invalid
from perijove.wire.scopes import Scope

CODE_LIFETIME = timedelta(seconds=300)
MAX_STATE_LENGTH = 2048
MAX_VERIFIER_LENGTH = 128
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """Somebody who may ask for tokens: a single-user server or a service, one of the two.

    Attributes:
        client_id: its identifier.
        secret_hash: SHA-256 of its secret.
        redirect_uri: the one place to which codes are sent.
        description: what a person reads on the consent page.
        server_id: the server it stands for; None if it stands for a service.
        server_name: that server's ``owner/name``; empty if it stands for a service.
        allowed_scopes: raw scopes it may ask for beside the required ones.
        service_id: the service it stands for; None if it stands for a server.
        service_name: that service's name; empty if it stands for a server.
    """

    client_id: str
    secret_hash: str
    redirect_uri: str
    description: str
    server_id: int | None
    server_name: str
    allowed_scopes: tuple[str, ...] = ()
    service_id: int | None = None
    service_name: str = ""

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """The scopes that every token of this client has."""
        access = (
            Scope("access:servers", "server", self.server_name)
            if self.service_id is None
            else Scope("access:services", "service", self.service_name)
        )
        return ("read:users:name!user", "read:users:groups!user", str(access))


@dataclass(frozen=True, slots=True)
class OAuthCode:
    """An authorization code on its way, stored by hash."""

    code_hash: str
    client_id: str
    user_id: int
    session_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    expires_at: datetime
    code_challenge: str = ""
    code_challenge_method: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """What a browser brought to the authorize endpoint, not yet believed."""

    client_id: str
    redirect_uri: str = ""
    response_type: str = ""
    scope: str = ""
    state: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""


class OAuthError(Exception):
    """An error answer of RFC 6749, sections 4.1.2.1 and 5.2."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(description or error)
        self.error = error
        self.description = description


def server_client_id(user_name: str, server_name: str) -> str:
    """Return the client id of a server: distinct for every pair, as an escaped name never holds the separator.

    Servers use it as the name of a cookie too, so it consists of letters, digits and ``-._%~`` only.
    """
    client_id = f"jupyterhub-user-{_escape(user_name)}"
    return f"{client_id}~~{_escape(server_name)}" if server_name else client_id


def _escape(name: str) -> str:
    return quote(name, safe="").replace("~", "%7E")


def check_client(client: OAuthClient | None, request: AuthorizeRequest) -> OAuthClient:
    """Return *client* if answers may be sent to its redirect URI at all.

    Raises:
        PerijoveError: INVALID, if the client is unknown or another redirect URI is asked for; never redirect then.
    """
    if client is None:
        raise invalid("Invalid client_id parameter value.")
    if request.redirect_uri and request.redirect_uri != client.redirect_uri:
        raise invalid("Mismatching redirect URI.")
    return client


def grant(client: OAuthClient, request: AuthorizeRequest, *, require_pkce: bool = False) -> tuple[str, ...]:
    """Return the raw scopes that a code for *request* carries.

    Raises:
        OAuthError: the request is refused; to be told to the client by redirect.
    """
    if not request.response_type:
        raise OAuthError("invalid_request", "Missing response_type parameter.")
    if request.response_type != "code":
        raise OAuthError("unsupported_response_type")
    if require_pkce and not request.code_challenge:
        raise OAuthError("invalid_request", "Code challenge required.")
    if request.code_challenge and not _CHALLENGE.fullmatch(request.code_challenge):
        raise OAuthError("invalid_request", "Malformed code_challenge parameter.")
    if request.code_challenge_method not in {"", "plain", "S256"}:
        raise OAuthError("invalid_request", "Transform algorithm not supported.")
    if len(request.state) > MAX_STATE_LENGTH:
        raise OAuthError("invalid_request", "The state parameter is too long.")
    allowed = dict.fromkeys((*client.required_scopes, *client.allowed_scopes))
    asked = [scope for scope in request.scope.split() if scope != "identify"]
    if any(scope not in allowed for scope in asked):
        raise OAuthError("invalid_scope")
    return tuple(dict.fromkeys((*client.required_scopes, *(asked or client.allowed_scopes))))


def check_code(
    code: OAuthCode | None, client: OAuthClient, redirect_uri: str, verifier: str, now: datetime
) -> OAuthCode:
    """Return *code* if *client* may trade it for a token.

    Raises:
        OAuthError: ``invalid_grant`` or ``invalid_request``.
    """
    if code is None or code.client_id != client.client_id or code.expires_at <= now:
        raise OAuthError("invalid_grant")
    if redirect_uri != code.redirect_uri:
        raise OAuthError("invalid_request", "Mismatching redirect URI.")
    if code.code_challenge:
        if not verifier:
            raise OAuthError("invalid_request", "Code verifier required.")
        if len(verifier) > MAX_VERIFIER_LENGTH or not verifier.isascii():
            raise OAuthError("invalid_grant")
        if not hmac.compare_digest(_challenge(verifier, code.code_challenge_method), code.code_challenge):
            raise OAuthError("invalid_grant")
    elif verifier:
        # Somebody took the challenge out of the authorize request (RFC 9700, section 2.1.1).
        raise OAuthError("invalid_grant")
    return code


def _challenge(verifier: str, method: str) -> str:
    """Return what *verifier* must have been announced as (RFC 7636, section 4.6)."""
    if method != "S256":
        return verifier
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def answer_uri(redirect_uri: str, **parameters: str) -> str:
    """Return *redirect_uri* with the non-empty *parameters* added to its query."""
    query = urlencode({key: value for key, value in parameters.items() if value})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
