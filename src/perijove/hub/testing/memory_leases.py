"""Leases of the store in memory."""

from __future__ import annotations

from datetime import datetime

from perijove.hub.testing.memory_state import Repository, aware


class MemoryLeases(Repository):
    """What hub processes have taken upon themselves."""

    async def claim(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        aware(until, now)
        holder, ends = self.all.leases.get(name, (owner, until))
        if holder != owner and ends > now:
            return False
        self.all.leases[name] = (owner, until)
        return True

    async def release(self, owner: str) -> None:
        self.all.leases = {name: held for name, held in self.all.leases.items() if held[0] != owner}
