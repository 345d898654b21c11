"""That roles, services and activity are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.roles import Role
from perijove.hub.testing.store_samples import NOW, add_user


async def test_roles_and_activity_of_many_users_take_one_statement_each(
    sql_store: SqlStore, statements: list[str]
) -> None:
    async with sql_store.transaction() as tx:
        ids = [(await add_user(tx, f"u{number}")).id for number in range(10)]
        await tx.roles.replace_all([Role("r", ())])
        statements.clear()
        await tx.roles.set_holders("r", "user", ids)
        assert len(statements) == 2
        assert await tx.roles.of_users(ids) == {user_id: ["r"] for user_id in ids}
        assert len(statements) == 3
        await tx.activity.record(dict.fromkeys(ids, NOW), {}, {})
        assert len(statements) == 4
