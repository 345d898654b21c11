"""Signing in at the hub: OAuth 2 authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636).

One browser may have many sign-ins under way, one per tab. Each has its own state and its own cookie, so that the tabs
do not undo one another; a state is good for one use, and both the table of states and their age are bounded.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode, urlsplit

MAX_SIGN_INS = 1000
MAX_SIGN_IN_AGE = 600.0
"""Seconds a person may take on the hub's pages."""
MAX_ATTEMPTS = 3
"""How often a sign-in may begin again by itself before a person has to be asked."""
MAX_NEXT_LENGTH = 4096


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
        state: what the hub sends back; also the value of the browser's state cookie.
        verifier: the PKCE secret that goes with the code.
        next_url: where the browser wanted to go.
        cookie_name: the name of the state cookie.
        started: seconds on the caller's clock.
        attempt: 1 for the first, one more each time it began again by itself.
    """

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    next_url: str
    cookie_name: str
    started: float
    attempt: int


def attempt_of(state: str) -> int:
    """Return the attempt that a *state* carries, 1 where it carries none; it survives when everything else is lost."""
    number = state.rpartition(".")[2]
    return int(number) if len(number) == 1 and number in "123456789" else 1


class PendingSignIns:
    """The sign-ins under way, oldest first; the oldest go when there are too many."""

    def __init__(
        self, cookie_prefix: str, *, max_entries: int = MAX_SIGN_INS, max_age: float = MAX_SIGN_IN_AGE
    ) -> None:
        self._cookie_prefix = cookie_prefix
        self._max_entries = max_entries
        self._max_age = max_age
        self._entries: OrderedDict[str, SignIn] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, next_url: str, now: float, *, attempt: int = 1) -> SignIn:
        """Return a new sign-in; *now* is in seconds on any clock that only goes forward."""
        self._expire(now)
        while len(self._entries) >= self._max_entries:
            self._entries.popitem(last=False)
        state = f"{secrets.token_urlsafe(16)}.{attempt}"
        cookie_name = f"{self._cookie_prefix}-{secrets.token_hex(4)}"
        sign_in = SignIn(state, secrets.token_urlsafe(48), next_url, cookie_name, now, attempt)
        self._entries[state] = sign_in
        return sign_in

    def find(self, state: str, now: float) -> SignIn | None:
        """Return the sign-in with *state*, or None if it is unknown, used up or too old."""
        self._expire(now)
        return self._entries.get(state)

    def finish(self, sign_in: SignIn) -> None:
        """Forget *sign_in*: its state is good for one use."""
        self._entries.pop(sign_in.state, None)

    def _expire(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if now - oldest.started <= self._max_age:
                return
            self._entries.popitem(last=False)
