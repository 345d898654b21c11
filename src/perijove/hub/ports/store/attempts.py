"""Counted attempts, shared by all hub processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from perijove.hub.core.attempts import AttemptKey, Tally


class Attempts(Protocol):
    """How often something was attempted in windows of time; a window begins with the first attempt in it."""

    async def record(
        self, keys: Collection[AttemptKey], now: datetime, window: timedelta
    ) -> Mapping[AttemptKey, Tally]:
        """Count one attempt under each of *keys*, and return the counts with it; one statement."""
        ...

    async def count(self, keys: Collection[AttemptKey], now: datetime, window: timedelta) -> Mapping[AttemptKey, Tally]:
        """Return the counts; keys without an attempt in the window are left out."""
        ...

    async def forget(self, keys: Collection[AttemptKey]) -> None:
        """Begin anew with these."""
        ...

    async def purge(self, before: datetime, keep: int) -> int:
        """Delete the counts of windows that began before that, and of the others all but the *keep* newest.

        Return how many. It bounds the table, whoever makes up how many names.
        """
        ...
