"""That users, accounts, invitations and sessions are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

import pytest

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.paging import Window
from perijove.hub.ports.store import UserQuery, UserState
from perijove.hub.testing.store_samples import NOW, add_user, session


@pytest.mark.parametrize("state", [None, "active", "inactive"])
async def test_a_page_of_users_takes_two_statements(
    sql_store: SqlStore, statements: list[str], state: UserState | None
) -> None:
    async with sql_store.transaction() as tx:
        for number in range(30):
            await add_user(tx, f"u{number}")
        statements.clear()
        names = frozenset({"u1", "u2"})
        page = await tx.users.list(UserQuery(Window(0, 20), names, state, name_filter="u", sort="last_activity"))
    assert page.total == (0 if state == "active" else 2)
    assert len(statements) == 2


async def test_a_session_and_its_user_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        ada = await add_user(tx)
        await tx.sessions.add(session(ada))
        statements.clear()
        assert await tx.sessions.get("k1") == (session(ada), ada)
    assert len(statements) == 1
    assert ada.created == NOW
