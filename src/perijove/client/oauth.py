"""Signing in at the hub: OAuth 2 authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636).

One browser may have many sign-ins under way, one per tab. Each has its own state and its own signed cookie, so that
the tabs do not undo one another. The program itself remembers nothing of them: it may be restarted in between, or be
several processes, and nobody can fill its memory. A cookie goes when its sign-in is over; their age and total size are
bounded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode, urlsplit

MAX_SIGN_IN_AGE = 600
"""Seconds a person may take on the hub's pages."""
MAX_ATTEMPTS = 3
"""How often a sign-in may begin again by itself before a person has to be asked."""
MAX_NEXT_LENGTH = 2048
"""A longer one would not fit in a cookie."""
MAX_STATE_BYTES = 4096
"""Together; many programs on the way take 8 KB of cookies, and no more."""


def pkce_challenge(verifier: str) -> str:
    """Return the S256 challenge of *verifier* (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorize_url(endpoint: str, *, client_id: str, redirect_uri: str, state: str, verifier: str) -> str:
    """Return the address to which a browser is sent to sign in; *endpoint* is the hub's authorize page."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "state": state,
        "code_challenge": pkce_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}?{urlencode(query)}"


def safe_next(target: str, prefix: str) -> str:
    """Return *target* if it is a path inside *prefix*, else *prefix*.

    A browser resolves ``..``, backslashes and control characters in its own way, so nothing that has them passes.
    """
    if len(target) > MAX_NEXT_LENGTH or not target.startswith(prefix):
        return prefix
    if "\\" in target or any(ord(char) < 0x21 or ord(char) == 0x7F for char in target):
        return prefix
    try:
        parts = urlsplit(target)
    except ValueError:
        return prefix
    if parts.scheme or parts.netloc or target.startswith("//"):
        return prefix
    if any(unquote(segment) in {".", ".."} for segment in parts.path.split("/")):
        return prefix
    return target


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in under way.

    Attributes:
        state: what the hub sends back.
        next_url: where the browser wanted to go.
    """

    state: str = field(repr=False)
    next_url: str

    @property
    def key(self) -> str:
        """What distinguishes its cookie from those of other sign-ins."""
        return key_of(self.state)

    def packed(self) -> str:
        """Return it as a text for a cookie that we sign."""
        return f"{self.state} {self.next_url}"

    @classmethod
    def unpacked(cls, text: str) -> SignIn:
        """Return the sign-in of which *text* is the packed form."""
        state, _, next_url = text.partition(" ")
        return cls(state, next_url)


def begin_sign_in(next_url: str, *, attempt: int = 1) -> SignIn:
    """Return a new sign-in; *attempt* is 1 for the first, one more each time it began again by itself."""
    return SignIn(f"{secrets.token_urlsafe(16)}.{attempt}", next_url)


def key_of(state: str) -> str:
    """Return the key of the sign-in with *state*."""
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:12]


def pkce_verifier(key: bytes, state: str) -> str:
    """Return the PKCE secret that goes with *state*: whoever has our *key* can make it again, so nobody keeps it."""
    digest = hmac.digest(key, state.encode("utf-8", "replace"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def attempt_of(state: str) -> int:
    """Return the attempt that a *state* carries, 1 where it carries none; it survives when everything else is lost."""
    number = state.rpartition(".")[2]
    return int(number) if len(number) == 1 and number in "123456789" else 1


def surplus(cookies: Iterable[tuple[str, str]], prefix: str) -> list[str]:
    """Return the names of those state cookies, oldest first, that go so that all requests stay short enough.

    *cookies* are names and values in the order of the request; those of sign-ins begin with *prefix*.
    """
    pending = [(name, len(name) + len(value)) for name, value in cookies if name.startswith(prefix)]
    total, gone = sum(size for _, size in pending), []
    for name, size in pending:
        if total <= MAX_STATE_BYTES:
            break
        total -= size
        gone.append(name)
    return gone
