"""The OAuth 2 provider's decisions (RFC 6749, PKCE: RFC 7636), as far as single-user servers need them.

Two deviations, because the clients in containers need them: the redirect URI may be a bare path on our own origin, and
client credentials come in the form body only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct, field

from perijove.hub.core.errors import invalid
from perijove.hub.core.redirects import local_target
from perijove.hub.core.scopes import BUILT_IN, Catalogue, Holder, expand, holds_any, intersect
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import MIN_TOKEN_LENGTH, hash_token
from perijove.wire.scopes import Scope

CODE_LIFETIME = timedelta(seconds=300)
MAX_STATE_LENGTH = 2048
MAX_VERIFIER_LENGTH = 128
MAX_SCOPES = 200
_NOTHING_MORE = frozenset({"identify", "(no_scope)"})
"""What may be asked for and adds nothing to what every token of a client has."""
_CLIENT_ID = re.compile(r"service-[A-Za-z0-9._~-]{1,247}")
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class OAuthClient(Struct, frozen=True):
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


class OAuthCode(Struct, frozen=True):
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


class AuthorizeRequest(Struct, frozen=True):
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


class Grantor(Struct, frozen=True):
    """Whoever is asked for a grant.

    Attributes:
        name: the name of the user.
        scopes: everything they may do now, expanded.
        roles: the raw scopes of every role: old clients ask for roles by name.
        catalogue: all scopes there are.
    """

    name: str
    scopes: frozenset[Scope]
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    catalogue: Catalogue = BUILT_IN


def check_request(request: AuthorizeRequest, *, require_pkce: bool = False) -> None:
    """Return if everything but the scopes of *request* is as it must be.

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


def grant(client: OAuthClient, request: AuthorizeRequest, grantor: Grantor) -> tuple[str, ...]:
    """Return the raw scopes that a code for *request* carries: what is asked for, as far as client and user may.

    What the client may not ask for at all is refused; what it may ask for and the user may not do is left out.

    Raises:
        OAuthError: ``invalid_scope``.
    """
    known = grantor.catalogue.known
    allowed = (*client.required_scopes, *known(client.allowed_scopes))
    asked = _asked(request, grantor)
    if not request.scope.split() and "inherit" not in allowed:
        asked = allowed
    holder = Holder(grantor.name, client.service_name, client.server_name)
    covered = expand(allowed, holder, grantor.catalogue)
    granted = dict.fromkeys(client.required_scopes)
    for text in asked:
        if text == "inherit" and text in allowed:
            granted[text] = None
            continue
        whole = expand((text,), holder, grantor.catalogue)
        freely = text in allowed or "inherit" in allowed
        part = whole if freely else intersect(whole, covered)
        # Not only something contained in it, such as a name, must be allowed, but a part of that scope itself.
        if not freely and not holds_any(part, text.partition("!")[0]):
            raise OAuthError("invalid_scope")
        if intersect(part, grantor.scopes):
            granted |= dict.fromkeys((text,) if part == whole else sorted(map(str, part)))
    return tuple(granted)


def _asked(request: AuthorizeRequest, grantor: Grantor) -> tuple[str, ...]:
    """Return the raw scopes that the words of the parameter ``scope`` stand for. Raises OAuthError."""
    words = request.scope.split()
    if len(words) > MAX_SCOPES:
        raise OAuthError("invalid_scope")
    found: dict[str, None] = {}
    for word in words:
        if word in _NOTHING_MORE:
            continue
        if grantor.catalogue.known((word,)):
            found[word] = None
        elif word in grantor.roles:
            found |= dict.fromkeys(grantor.catalogue.known(grantor.roles[word]))
        else:
            raise OAuthError("invalid_scope")
    return tuple(found)


def redirect_uri_of(service: Service, site: Site) -> str:
    """Return where codes for *service* are sent: where it says, else below its own prefix."""
    return service.oauth_redirect_uri or f"{site.service_url(service.name)}oauth_callback"


def service_client(service: Service, secret: str, site: Site, catalogue: Catalogue = BUILT_IN) -> OAuthClient:
    """Return the OAuth client of *service*: ``service-<name>``, with a redirect URI below its prefix, if not told else.

    Args:
        service: the service, stored already.
        secret: the client's secret: the service's token.
        site: where browsers find the service.
        catalogue: all scopes there are.

    Raises:
        PerijoveError: INVALID; the message names the option of the service that is wrong.
    """
    client_id = service.client_id
    if not _CLIENT_ID.fullmatch(client_id):
        raise invalid("oauth_client_id must begin with service- and have letters, digits and -._~ only")
    if len(secret) < MIN_TOKEN_LENGTH:
        raise invalid("api_token: a service whose visitors sign in at the hub needs one")
    redirect_uri = redirect_uri_of(service, site)
    if not _may_be_redirected_to(redirect_uri, site):
        raise invalid("oauth_redirect_uri must be a path on the hub's host, or a whole URL of http or https")
    for text in service.oauth_client_allowed_scopes:
        catalogue.parse(text)
    return OAuthClient(
        client_id=client_id,
        secret_hash=hash_token(secret),
        redirect_uri=redirect_uri,
        description=f"The service {service.name}",
        server_id=None,
        server_name="",
        allowed_scopes=service.oauth_client_allowed_scopes,
        service_id=service.id,
        service_name=service.name,
    )


def _may_be_redirected_to(uri: str, site: Site) -> bool:
    parts = urlsplit(uri)
    if parts.scheme or parts.netloc:
        # The whole URL with its path must be one that a browser reads as it stands there.
        origin = f"{parts.scheme}://{parts.netloc}"
        whole = parts.scheme in {"http", "https"} and "@" not in parts.netloc and not parts.fragment
        return whole and local_target(uri, base_url="/", default="", origin=origin) != ""
    return not parts.fragment and local_target(uri, base_url=site.base_url, default="") == uri


def metadata(issuer: str, endpoints: str, scopes: Iterable[str]) -> dict[str, object]:
    """Return what standard clients read of the provider (RFC 8414, section 2).

    Args:
        issuer: the URL of the installation, without a slash at its end.
        endpoints: the URL below which the endpoints are.
        scopes: the scopes that may be asked for.
    """
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{endpoints}/authorize",
        "token_endpoint": f"{endpoints}/token",
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "code_challenge_methods_supported": ["S256", "plain"],
    }


def origin_of(redirect_uri: str) -> str:
    """Return ``scheme://host[:port]`` of *redirect_uri*; empty if it is a path on our own host."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def token_for(code: str, secret: str) -> str:
    """Return the access token that *code* is traded for.

    It follows from the code, which is random, and the client's secret: so where a code comes a second time, what it was
    traded for is known and can be revoked (RFC 6749, section 4.1.2), with nothing kept of used codes. Who has the code
    alone cannot work it out.
    """
    digest = hmac.new(secret.encode("utf-8", "replace"), f"token:{code}".encode("utf-8", "replace"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


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
