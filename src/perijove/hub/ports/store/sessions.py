"""Browsers that are signed in."""

from __future__ import annotations

from typing import Protocol

from perijove.hub.core.users import Session, User


class Sessions(Protocol):
    """Browsers that are signed in."""

    async def get(self, key_hash: str) -> tuple[Session, User] | None:
        """Return the session with its user."""
        ...

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def delete(self, session_id: str) -> None:
        """End the session, and every token and code issued in it."""
        ...

    async def delete_all_of(self, user_id: int) -> None:
        """End all sessions of a user, and what was issued in them."""
        ...
