"""Actions on many things at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perijove.hub.core.long_actions import LongAction


class LongActions(Protocol):
    """Actions on many things at once, by key."""

    async def add(self, action: LongAction) -> bool:
        """Store a new action; False if there is one of that key."""
        ...

    async def get(self, key: str) -> LongAction | None:
        """Return the action of that key."""
        ...

    async def latest(self, count: int) -> Sequence[LongAction]:
        """Return the newest actions, newest first."""
        ...

    async def save(self, action: LongAction) -> bool:
        """Store how far it has come and return whether it is to be cancelled; that wish itself stays as stored.

        True also if it is gone.
        """
        ...

    async def cancel(self, key: str) -> None:
        """Remember that an action is to be cancelled; nothing happens if there is none."""
        ...

    async def forget_before(self, time: datetime) -> None:
        """Delete the actions that were last heard of before *time*."""
        ...
