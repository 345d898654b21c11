"""That servers and progress are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import add_user


async def test_the_servers_of_many_users_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        users = [await add_user(tx, f"u{number}") for number in range(10)]
        for user in users:
            await tx.servers.add(user.id, "")
        statements.clear()
        found = await tx.servers.list_of([user.id for user in users])
    assert [server.user_name for server in found] == [user.name for user in users]
    assert len(statements) == 1
