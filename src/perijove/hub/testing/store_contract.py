"""What every store must do.

Subclass `StoreContract` in a test module, with a fixture ``store`` that gives an empty store::

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self) -> AsyncIterator[Store]: ...

Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from perijove.hub.core.long_actions import Kind, LongAction
from perijove.hub.core.oauth import OAuthCode
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_contract_access import AccessContract
from perijove.hub.testing.store_contract_groups import GroupsContract
from perijove.hub.testing.store_contract_people import PeopleContract
from perijove.hub.testing.store_contract_servers import ServersContract
from perijove.hub.testing.store_samples import (
    NOW,
    SECOND,
    add_user,
    client,
    code,
)


class LongActionsContract:
    """Actions on many things at once."""

    async def test_an_action_is_added_once_and_tells_how_far_it_is(self, store: Store) -> None:
        action = LongAction("a-key-of-sixteen", Kind.STOP, "ada", 3, NOW, NOW)
        async with store.transaction() as tx:
            assert await tx.long_actions.add(action)
            assert not await tx.long_actions.add(replace(action, total=9))
            assert await tx.long_actions.get(action.key) == action
            assert await tx.long_actions.get("another") is None
            assert not await tx.long_actions.save(replace(action, done=1))
            await tx.long_actions.cancel(action.key)
            await tx.long_actions.cancel("another")
            done = replace(
                action, changed=NOW + SECOND, done=2, failed=1, failures=(("bob/", "no"),), finished=NOW + SECOND
            )
            assert await tx.long_actions.save(done)
            assert await tx.long_actions.save(replace(done, key="another"))
        async with store.transaction() as tx:
            assert await tx.long_actions.get(action.key) == replace(done, cancel_wanted=True)

    async def test_the_newest_actions_come_first_and_old_ones_go(self, store: Store) -> None:
        async with store.transaction() as tx:
            for number in range(3):
                at = NOW + SECOND * number
                await tx.long_actions.add(LongAction(f"key-{number}", Kind.START, "ada", 1, at, at))
            assert [action.key for action in await tx.long_actions.latest(2)] == ["key-2", "key-1"]
            await tx.long_actions.forget_before(NOW + SECOND)
            assert [action.key for action in await tx.long_actions.latest(5)] == ["key-2", "key-1"]


class LeasesContract:
    """What only one hub process does at a time."""

    async def test_a_lease_is_one_owners_until_it_is_over_or_given_up(self, store: Store) -> None:
        until = NOW + SECOND
        async with store.transaction() as tx:
            assert await tx.leases.claim("service wiki", "hub1", until, NOW)
            assert await tx.leases.claim("service wiki", "hub1", until, NOW)
            assert await tx.leases.claim("service other", "hub2", until, NOW)
        async with store.transaction() as tx:
            assert not await tx.leases.claim("service wiki", "hub2", until, NOW)
            assert await tx.leases.claim("service wiki", "hub1", until + SECOND, NOW)
            assert not await tx.leases.claim("service wiki", "hub2", until + SECOND, until)
            assert await tx.leases.claim("service wiki", "hub2", until + SECOND * 3, until + SECOND)
            assert not await tx.leases.claim("service wiki", "hub1", until + SECOND * 3, until + SECOND)
            await tx.leases.release("hub1")
            assert not await tx.leases.claim("service wiki", "hub1", until, NOW)
            await tx.leases.release("hub2")
            assert await tx.leases.claim("service wiki", "hub1", until, NOW)
            assert await tx.leases.claim("service other", "hub1", until, NOW)


class TransactionsContract:
    """Everything or nothing, one after the other."""

    async def test_it_answers(self, store: Store) -> None:
        await store.ping()

    async def test_an_exception_undoes_everything(self, store: Store) -> None:
        with pytest.raises(LookupError):
            async with store.transaction() as tx:
                await add_user(tx)
                raise LookupError
        async with store.transaction() as tx:
            assert await tx.users.count() == 0

    async def test_a_change_ends_the_generation_and_reading_does_not(self, store: Store) -> None:
        before = store.generation
        async with store.transaction() as tx:
            await tx.users.count()
        assert store.generation == before
        async with store.transaction() as tx:
            await add_user(tx)
        assert store.generation != before

    async def test_what_is_undone_ends_no_generation(self, store: Store) -> None:
        before = store.generation
        with pytest.raises(LookupError):
            async with store.transaction() as tx:
                await add_user(tx)
                raise LookupError
        assert store.generation == before

    async def test_cancelling_undoes_everything(self, store: Store) -> None:
        inside = asyncio.Event()

        async def work() -> None:
            async with store.transaction() as tx:
                await add_user(tx)
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with store.transaction() as tx:
            assert await tx.users.count() == 0

    async def test_nothing_can_be_done_after_the_end(self, store: Store) -> None:
        async with store.transaction() as tx:
            users = tx.users
        with pytest.raises(RuntimeError):
            await users.count()
        with pytest.raises(LookupError):
            async with store.transaction() as tx:
                users = tx.users
                raise LookupError
        with pytest.raises(RuntimeError):
            await users.count()

    async def test_a_transaction_in_a_transaction_is_a_mistake_that_is_told(self, store: Store) -> None:
        async with store.transaction() as tx:
            with pytest.raises(RuntimeError):
                async with store.transaction():
                    pass
            await add_user(tx)
        async with store.transaction() as tx:
            assert await tx.users.count() == 1

    async def test_reading_sees_what_was_committed(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
        before = store.generation
        async with store.reading() as tx:
            assert await tx.users.by_id(ada.id) == ada
            assert await tx.users.count() == 1
            users = tx.users
        assert store.generation == before
        with pytest.raises(RuntimeError):
            await users.count()

    async def test_what_is_written_while_reading_is_refused_and_undone(self, store: Store) -> None:
        before = store.generation
        with pytest.raises(RuntimeError):
            async with store.reading() as tx:
                await add_user(tx)
        async with store.reading() as tx:
            assert await tx.users.count() == 0
        assert store.generation == before

    async def test_reading_in_a_transaction_is_a_mistake_that_is_told(self, store: Store) -> None:
        async with store.transaction():
            with pytest.raises(RuntimeError):
                async with store.reading():
                    pass
        async with store.reading():
            with pytest.raises(RuntimeError):
                async with store.transaction():
                    pass

    async def test_many_read_at_once(self, store: Store) -> None:
        async def look() -> int:
            async with store.reading() as tx:
                return await tx.users.count()

        async with store.transaction() as tx:
            await add_user(tx)
        assert await asyncio.gather(*(look() for _ in range(20))) == [1] * 20

    async def test_concurrent_transactions_do_not_lose_changes(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await tx.servers.add((await add_user(tx)).id, "")

        async def count_up() -> None:
            async with store.transaction() as tx:
                read = await tx.servers.by_id(server.id)
                assert read is not None
                await asyncio.sleep(0)
                await tx.servers.save(replace(read, attempt=read.attempt + 1, version=read.version + 1))

        await asyncio.gather(*(count_up() for _ in range(20)))
        async with store.transaction() as tx:
            assert await tx.servers.by_id(server.id) == replace(server, attempt=20, version=20)

    async def test_one_code_for_many_takers(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.oauth.put_client(client(await tx.servers.add(ada.id, "")))
            await tx.oauth.add_code(code(ada))

        async def take() -> OAuthCode | None:
            async with store.transaction() as tx:
                return await tx.oauth.take_code("o1")

        taken = await asyncio.gather(*(take() for _ in range(10)))
        assert [each for each in taken if each is not None] == [code(ada)]


class StoreContract(
    PeopleContract,
    ServersContract,
    AccessContract,
    GroupsContract,
    LongActionsContract,
    LeasesContract,
    TransactionsContract,
):
    """The whole suite."""

    pytestmark = pytest.mark.asyncio
