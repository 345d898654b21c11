"""That groups are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import NOW


async def test_members_take_one_statement_however_many(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        users = await tx.users.add_many([f"u{number}" for number in range(1000)], admin=False, now=NOW)
        team, ids = await tx.groups.add("team"), [user.id for user in users]
        statements.clear()
        await tx.groups.add_members(team.id, ids)
        assert len(statements) == 1
        assert len((await tx.groups.members([team.id]))[team.id]) == 1000
        assert len(statements) == 2
        assert len(await tx.groups.groups_of(ids)) == 1000
        assert len(statements) == 3
        await tx.groups.set_members(team.id, ids[:500])
        assert len(statements) == 5
