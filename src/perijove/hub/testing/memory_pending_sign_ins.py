"""Sign-ins that wait for the browser to come back, of the store in memory."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from perijove.hub.core.pending_sign_ins import PendingSignIn
from perijove.hub.testing.memory_state import Repository, aware, free


class MemoryPendingSignIns(Repository):
    """Sign-ins that wait for the browser to come back."""

    async def add(self, pending: PendingSignIn, keep: int) -> None:
        aware(pending.begun)
        free(pending.state_hash in self.all.pending_sign_ins, "That state exists already")
        self.all.pending_sign_ins[pending.state_hash] = pending
        for each in self._newest(pending.browser_hash)[keep:]:
            del self.all.pending_sign_ins[each.state_hash]

    async def get(self, state_hash: str) -> PendingSignIn | None:
        return self.all.pending_sign_ins.get(state_hash)

    async def latest_of(self, browser_hash: str) -> PendingSignIn | None:
        return next(iter(self._newest(browser_hash)), None)

    async def use(self, state_hash: str) -> bool:
        pending = self.all.pending_sign_ins.get(state_hash)
        if pending is None or pending.used:
            return False
        self.all.pending_sign_ins[state_hash] = dataclasses.replace(pending, used=True, data={})
        return True

    async def purge(self, before: datetime, keep: int) -> int:
        aware(before)
        newest = [each for each in self._newest() if each.begun >= before][:keep]
        gone = len(self.all.pending_sign_ins) - len(newest)
        self.all.pending_sign_ins = {each.state_hash: each for each in newest}
        return gone

    def _newest(self, browser_hash: str | None = None) -> list[PendingSignIn]:
        found = [each for each in self.all.pending_sign_ins.values() if browser_hash in {None, each.browser_hash}]
        return sorted(found, key=lambda each: (-each.begun.timestamp(), each.state_hash))
