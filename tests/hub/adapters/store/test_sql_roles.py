"""That roles are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.roles import Role
from perijove.hub.testing.store_samples import add_user


async def test_roles_of_many_users_take_one_statement_each(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        ids = [(await add_user(tx, f"u{number}")).id for number in range(10)]
        await tx.roles.replace_all([Role("r", ())])
        statements.clear()
        await tx.roles.set_holders("r", "user", ids)
        assert len(statements) == 2
        assert await tx.roles.names_of("user", ids) == {user_id: ["r"] for user_id in ids}
        assert len(statements) == 3


async def test_all_roles_of_a_user_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        ada, team = await add_user(tx), await tx.groups.add("team")
        await tx.groups.add_members(team.id, [ada.id])
        await tx.roles.replace_all([Role("r", ()), Role("q", ())])
        await tx.roles.assign("r", "user", ada.id)
        await tx.roles.assign("q", "group", team.id)
        statements.clear()
        assert [role.name for role in await tx.roles.effective_of_user(ada.id)] == ["q", "r"]
        assert len(statements) == 1
