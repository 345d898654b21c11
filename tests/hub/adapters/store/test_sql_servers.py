"""That servers and progress are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import NOW, add_user


async def test_the_servers_of_many_users_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        users = [await add_user(tx, f"u{number}") for number in range(10)]
        for user in users:
            await tx.servers.add(user.id, "")
        statements.clear()
        found = await tx.servers.list_of([user.id for user in users])
    assert [server.user_name for server in found] == [user.name for user in users]
    assert len(statements) == 1


async def test_leases_and_steps_of_starts_end_no_generation(sql_store: SqlStore) -> None:
    async with sql_store.transaction() as tx:
        user = await add_user(tx)
        server = await tx.servers.add(user.id, "")
    before = sql_store.generation

    async with sql_store.transaction() as tx:
        assert await tx.servers.claim(server.id, "me", NOW, NOW)
        await tx.servers.renew("me", NOW)
        await tx.servers.release(server.id, "me")
        await tx.servers.release_all()
        await tx.activity.record({user.id: NOW}, {server.id: NOW}, {})

    assert sql_store.generation == before
