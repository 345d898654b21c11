"""Sign-ins that led the browser elsewhere, to an identity provider, and wait for it to come back.

The browser holds one secret, in a cookie, for as many of them as it has tabs; each has a *state* of its own, another
secret, which goes to the provider and comes back. Both must fit, so that nobody can be signed in with a sign-in that
somebody else began. Only hashes of the two are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

LIFETIME: Final = timedelta(minutes=15)
"""How long a person may take at the provider."""
KEPT: Final = timedelta(days=1)
"""How long it is known where a sign-in wanted to go that took longer, or was over already."""
PER_BROWSER: Final = 50
"""How many of one browser are kept: its newest."""
IN_ALL: Final = 100_000
"""How many are kept of all browsers together, for somebody may begin one after the other and come back with none."""
MAX_ATTEMPTS: Final = 3
"""How often a sign-in is begun, by itself, before a person is asked."""
MAX_STATE: Final = 200
MAX_DATA: Final = 4096
"""How many bytes of JSON an authenticator may keep with one sign-in."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """One of them.

    Attributes:
        state_hash: of what the provider sends back.
        browser_hash: of the secret in the cookie.
        next_url: where the person wanted to go on our own site; empty if nowhere in particular.
        attempt: 1 for the first, one more each time it was begun again by itself.
        begun: when.
        data: what the authenticator needs when the browser is back; a PKCE verifier, say.
        used: whether it was back already; the data is gone then.
    """

    state_hash: str
    browser_hash: str
    next_url: str
    attempt: int
    begun: datetime
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    used: bool = False


def may_resume(pending: PendingSignIn, browser_hash: str, now: datetime) -> bool:
    """Say whether the browser may go on with *pending*: its own, in time, for the first time."""
    return not pending.used and pending.browser_hash == browser_hash and now < pending.begun + LIFETIME


def checked_data(data: object, source: str) -> dict[str, Any]:
    """Return what an authenticator wants to keep with a sign-in.

    Raises:
        TypeError: it is no dictionary, or holds what JSON cannot. The message names *source* and tells nothing of it.
        ValueError: it is too long.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{source} must give a dictionary to keep, not {type(data).__name__}")
    try:
        text = json.dumps(dict(data), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise TypeError(f"{source} must give a dictionary to keep that JSON can hold") from None
    if len(text.encode()) > MAX_DATA:
        raise ValueError(f"{source} gave {len(text.encode())} bytes to keep: {MAX_DATA} are allowed")
    return dict(json.loads(text))
