"""That accounts, invitations and sessions are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import NOW, add_user, session


async def test_a_session_and_its_user_take_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        ada = await add_user(tx)
        await tx.sessions.add(session(ada))
        statements.clear()
        assert await tx.sessions.get("k1") == (session(ada), ada)
    assert len(statements) == 1
    assert ada.created == NOW
