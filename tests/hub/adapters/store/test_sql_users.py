"""That users are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.paging import Window
from perijove.hub.core.servers import State
from perijove.hub.ports.store import UserQuery, UserState
from perijove.hub.testing.store_samples import NOW, add_user, server_in


@pytest.mark.parametrize("state", [None, "active", "inactive"])
async def test_a_page_of_users_takes_two_statements(
    sql_store: SqlStore, statements: list[str], state: UserState | None
) -> None:
    async with sql_store.transaction() as tx:
        for number in range(30):
            await add_user(tx, f"u{number}")
        statements.clear()
        names = frozenset({"u1", "u2"})
        page = await tx.users.list(UserQuery(Window(0, 20), names, state=state, name_filter="u", sort="last_activity"))
    assert page.total == (0 if state == "active" else 2)
    assert len(statements) == 2


async def test_a_page_with_roles_and_servers_takes_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        for number in range(3):
            await server_in(tx, await add_user(tx, f"u{number}"), State.READY)
    statements.clear()
    async with sql_store.reading() as tx:
        page = await tx.users.overview(UserQuery(Window(0, 20)))
    assert [len(each.servers) for each in page.items] == [1, 1, 1]
    assert len(statements) == 1
    async with sql_store.reading() as tx:
        beyond = await tx.users.overview(UserQuery(Window(9, 20)))
    assert (list(beyond.items), beyond.total) == ([], 3)


async def test_a_user_with_parts_that_could_be_changed_is_read_anew(sql_store: SqlStore) -> None:
    async with sql_store.transaction() as tx:
        ada, bob, _ = [await add_user(tx, name) for name in ("ada", "bob", "cyd")]
        await tx.users.set_user_info(ada.id, {"mail": "ada@example.org"})
        await server_in(tx, bob, State.READY)
        first, second = [await tx.users.overview(UserQuery(Window(0, 20))) for _ in range(2)]
    assert first.items == second.items
    assert [one is other for one, other in zip(first.items, second.items, strict=True)] == [False, False, True]


async def test_users_made_at_once_end_the_generation(sql_store: SqlStore) -> None:
    before = sql_store.generation
    async with sql_store.transaction() as tx:
        await tx.users.add_many(["ada", "bob"], admin=False, now=NOW)
    assert sql_store.generation != before


async def test_many_users_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        assert len(await tx.users.add_many([f"u{number}" for number in range(1000)], admin=False, now=NOW)) == 1000
        assert len(statements) == 1


async def test_a_user_and_their_groups_take_one_statement_on_indexes(
    sql_store: SqlStore, statements: list[str]
) -> None:
    async with sql_store.transaction() as tx:
        await add_user(tx)
        statements.clear()
        await tx.users.get("ada")
        connection = tx.users.connection
        asked = text(f"EXPLAIN QUERY PLAN {statements[0].replace('?', ':name')}")
        plan = await tx.users.unit.worker.run(lambda: connection.execute(asked, {"name": "ada"}).all())
    assert len(statements) == 2
    assert any("SEARCH" in step.detail for step in plan)
    assert not any("SCAN" in step.detail for step in plan), plan
