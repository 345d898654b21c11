"""Actions on many things at once, of the store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from perijove.hub.core.long_actions import LongAction
from perijove.hub.testing.memory_state import Repository, aware, drop


class MemoryLongActions(Repository):
    """Actions on many things at once."""

    async def add(self, action: LongAction) -> bool:
        aware(action.created, action.changed, action.finished)
        return self.all.long_actions.setdefault(action.key, action) is action

    async def get(self, key: str) -> LongAction | None:
        return self.all.long_actions.get(key)

    async def latest(self, count: int) -> Sequence[LongAction]:
        newest = sorted(self.all.long_actions.values(), key=lambda each: (-each.created.timestamp(), each.key))
        return newest[:count]

    async def save(self, action: LongAction) -> bool:
        aware(action.changed, action.finished)
        stored = self.all.long_actions.get(action.key)
        if stored is None:
            return True
        self.all.long_actions[action.key] = replace(action, cancel_wanted=stored.cancel_wanted)
        return stored.cancel_wanted

    async def cancel(self, key: str) -> None:
        if stored := self.all.long_actions.get(key):
            self.all.long_actions[key] = replace(stored, cancel_wanted=True)

    async def forget_before(self, time: datetime) -> None:
        drop(self.all.long_actions, lambda action: action.changed < time)
