"""API tokens: stored as hashes only.

A token made by us carries at least 190 bits, so one round of SHA-256 cannot be searched, and the hash itself is the key
under which the token is looked up.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from perijove.hub.core.errors import invalid

MIN_TOKEN_LENGTH = 8
MAX_TOKEN_LENGTH = 512
MAX_NOTE_LENGTH = 1023
API_CLIENT_ID = "jupyterhub"
"""The client of tokens that no OAuth client asked for."""


class Token(Struct, frozen=True):
    """What is known of a token.

    Attributes:
        id: its number; ``a<id>`` on the wire.
        token_hash: SHA-256 of the token.
        owner_kind: user or service.
        owner_id: the id of the user or service.
        owner_name: its name.
        scopes: raw scopes.
        note: what it is for.
        client_id: the OAuth client that it was issued to.
        session_id: the browser session it was issued in; it ends with it.
        server_id: the server it was made for; it ends with it.
        created: when it was made.
        expires_at: from when it is not accepted; None for never.
        last_activity: when it was last used.
    """

    id: int
    token_hash: str
    owner_kind: Literal["user", "service"]
    owner_id: int
    owner_name: str
    scopes: tuple[str, ...]
    created: datetime
    note: str = ""
    client_id: str = API_CLIENT_ID
    session_id: str | None = None
    server_id: int | None = None
    expires_at: datetime | None = None
    last_activity: datetime | None = None

    @property
    def api_id(self) -> str:
        """Its id on the wire."""
        return f"a{self.id}"


def hash_token(token: str) -> str:
    """Return the form in which *token* is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def expired(expires_at: datetime | None, now: datetime) -> bool:
    """Say whether something that lasts until *expires_at* is over."""
    return expires_at is not None and expires_at <= now


def expiry(expires_in: int | None, maximum: int, now: datetime) -> datetime | None:
    """Return when a token made now expires.

    Args:
        expires_in: seconds asked for; None or 0 for as long as possible.
        maximum: the longest allowed, in seconds; 0 for no limit.
        now: the time.

    Raises:
        PerijoveError: INVALID, if more than *maximum* or a negative time was asked for.
    """
    if expires_in is not None and (expires_in < 0 or expires_in > 100 * 366 * 86400):
        raise invalid("expires_in must be a number of seconds, at most a hundred years")
    if maximum and expires_in and expires_in > maximum:
        raise invalid(f"expires_in: {expires_in} must not exceed {maximum} seconds")
    seconds = expires_in or maximum
    return now + timedelta(seconds=seconds) if seconds else None
