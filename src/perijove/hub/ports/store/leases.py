"""Who does what only one hub process may do at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Leases(Protocol):
    """What hub processes have taken upon themselves, each for a time."""

    async def claim(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        """Take the lease called *name*, or prolong it; False if another hub process holds it."""
        ...

    async def release(self, owner: str) -> None:
        """Give up all leases of *owner*."""
        ...
