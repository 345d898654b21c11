"""API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from perijove.hub.core.tokens import Token

OwnerKind = Literal["user", "service"]
"""Who can have a token."""


class Tokens(Protocol):
    """API tokens, by hash."""

    async def by_hash(self, token_hash: str) -> Token | None:
        """Return the token; expired ones too."""
        ...

    async def get(self, token_id: int) -> Token | None:
        """Return the token with that id."""
        ...

    async def list_of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Token]:
        """Return the tokens of an owner, by id."""
        ...

    async def add(self, token: Token) -> Token:
        """Store a new token and return it with its id. Raises PerijoveError CONFLICT if its hash is known."""
        ...

    async def delete(self, token_id: int) -> None:
        """Revoke it."""
        ...

    async def delete_of_client(self, client_id: str, owner_id: int) -> None:
        """Revoke all that a user's OAuth client was given for this user."""
        ...

    async def delete_of_server(self, server_id: int) -> None:
        """Revoke the token made for a server."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete tokens, codes and sessions that are over; return how many."""
        ...
