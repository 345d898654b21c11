"""The contract is worth something only if a store that breaks it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from perijove.hub.core.oauth import OAuthCode
from perijove.hub.core.servers import Server
from perijove.hub.core.users import User
from perijove.hub.testing.memory_access import MemoryOAuth
from perijove.hub.testing.memory_servers import MemoryServers
from perijove.hub.testing.memory_state import Unit
from perijove.hub.testing.memory_store import MemoryStore, MemoryTransaction
from perijove.hub.testing.memory_users import MemoryUsers
from perijove.hub.testing.store_contract import StoreContract


class Sticky(MemoryStore):
    """Commits what it should undo."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with self._turns.turn():
            yield MemoryTransaction(Unit(self._state))


class Careless(MemoryStore):
    """Accepts names twice, writers that come too late, and codes again."""

    class Users(MemoryUsers):
        async def add(self, name: str, *, admin: bool, now: datetime) -> User:
            user = User(self.all.next_id("users"), name, admin, now)
            self.all.users[user.id] = user
            return user

    class Servers(MemoryServers):
        async def save(self, server: Server) -> None:
            self.all.servers[server.id] = server

    class OAuth(MemoryOAuth):
        async def take_code(self, code_hash: str) -> OAuthCode | None:
            return self.all.codes.get(code_hash)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with self._turns.turn():
            unit = Unit(self._state)
            transaction = MemoryTransaction(unit)
            transaction.users, transaction.servers = self.Users(unit), self.Servers(unit)
            transaction.oauth = self.OAuth(unit)
            yield transaction


CONTRACT = StoreContract()


@pytest.mark.parametrize(
    ("store", "case"),
    [
        (Sticky, CONTRACT.test_an_exception_undoes_everything),
        (Sticky, CONTRACT.test_cancelling_undoes_everything),
        (Sticky, CONTRACT.test_nothing_can_be_done_after_the_end),
        (Careless, CONTRACT.test_a_user_name_is_taken_once),
        (Careless, CONTRACT.test_a_writer_that_read_an_older_version_is_refused),
        (Careless, CONTRACT.test_saving_leaves_the_lease_and_never_moves_activity_back),
        (Careless, CONTRACT.test_a_code_is_taken_once),
        (Careless, CONTRACT.test_one_code_for_many_takers),
    ],
    ids=lambda value: value.__name__,
)
async def test_a_broken_store_fails(store: type[MemoryStore], case) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await case(store())
