"""Sign-ins that wait for the browser to come back from elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from perijove.hub.core.pending_sign_ins import PendingSignIn


class PendingSignIns(Protocol):
    """Sign-ins that wait for the browser to come back from elsewhere."""

    async def add(self, pending: PendingSignIn, keep: int) -> None:
        """Store a new one; of its browser's, the *keep* newest stay. Raises PerijoveError CONFLICT if it exists."""
        ...

    async def get(self, state_hash: str) -> PendingSignIn | None:
        """Return the one with that state."""
        ...

    async def latest_of(self, browser_hash: str) -> PendingSignIn | None:
        """Return the one that the browser began last."""
        ...

    async def use(self, state_hash: str) -> bool:
        """Mark it as used and forget its data; say whether it was not used before. At most one caller is told so."""
        ...

    async def purge(self, before: datetime, keep: int) -> int:
        """Delete those begun before that, and of the others all but the *keep* newest; return how many."""
        ...
