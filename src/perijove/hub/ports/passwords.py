"""Hashing of passwords."""

from __future__ import annotations

from typing import Protocol


class PasswordHasher(Protocol):
    """Slow on purpose, so both methods run off the event loop and only a few at a time."""

    async def hash(self, password: str) -> str:
        """Return *password* in the form that is stored."""
        ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether *password* is the one that *password_hash* was made of.

        With None it takes as long and says no, so that timing does not tell whether a name exists.
        """
        ...
