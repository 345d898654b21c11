"""A store in memory, for tests: the port ``Store`` on dictionaries, as strict as the one on SQL.

A transaction works on a copy of everything; leaving it puts the copy in the place of the original.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perijove.hub.adapters.store.turns import Turns
from perijove.hub.testing.memory_access import MemoryOAuth, MemoryRoles, MemoryServices, MemoryTokens
from perijove.hub.testing.memory_groups import MemoryGroups, MemoryShareCodes, MemoryShares
from perijove.hub.testing.memory_leases import MemoryLeases
from perijove.hub.testing.memory_long_actions import MemoryLongActions
from perijove.hub.testing.memory_pending_sign_ins import MemoryPendingSignIns
from perijove.hub.testing.memory_servers import MemoryActivity, MemoryAttempts, MemoryProgress, MemoryServers
from perijove.hub.testing.memory_state import State, Unit
from perijove.hub.testing.memory_users import MemoryAccounts, MemoryInvitations, MemorySessions, MemoryUsers


class MemoryTransaction:
    """All of the store within one transaction."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.users = MemoryUsers(unit)
        self.accounts = MemoryAccounts(unit)
        self.invitations = MemoryInvitations(unit)
        self.sessions = MemorySessions(unit)
        self.servers = MemoryServers(unit)
        self.progress = MemoryProgress(unit)
        self.tokens = MemoryTokens(unit)
        self.oauth = MemoryOAuth(unit)
        self.roles = MemoryRoles(unit)
        self.services = MemoryServices(unit)
        self.groups = MemoryGroups(unit)
        self.shares = MemoryShares(unit)
        self.share_codes = MemoryShareCodes(unit)
        self.attempts = MemoryAttempts(unit)
        self.activity = MemoryActivity(unit)
        self.long_actions = MemoryLongActions(unit)
        self.leases = MemoryLeases(unit)
        self.pending_sign_ins = MemoryPendingSignIns(unit)


class MemoryStore:
    """The port ``Store``, forgotten with the process."""

    def __init__(self) -> None:
        self._state = State()
        self._turns = Turns()
        self._generation = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Begin a transaction; see the port. Raises RuntimeError if this task is in one already."""
        async with self._turns.turn():
            unit = Unit(self._state.copied())
            try:
                yield MemoryTransaction(unit)
            finally:
                unit.over = True
            self._generation += unit.state != self._state
            self._state = unit.state

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[MemoryTransaction]:
        """Begin a transaction that only reads; see the port. Raises RuntimeError if it wrote."""
        before = self._state
        async with self.transaction() as tx:
            yield tx
            if tx.unit.state != before:
                raise RuntimeError("nothing can be written here: it was begun for reading")

    @property
    def generation(self) -> int:
        """How many transactions changed anything."""
        return self._generation

    async def ping(self) -> None:
        """Return; memory always answers."""
