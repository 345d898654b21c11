"""That tokens and OAuth clients are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from sqlalchemy import text

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import add_user, token


async def test_a_token_and_its_owner_take_one_statement_on_indexes(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        stored = await tx.tokens.add(token(await add_user(tx)))
        statements.clear()
        assert await tx.tokens.by_hash("t1") == stored
        connection = tx.tokens.connection
        asked = text(f"EXPLAIN QUERY PLAN {statements[0].replace('?', ':hash')}")
        plan = await tx.tokens.unit.worker.run(lambda: connection.execute(asked, {"hash": "t1"}).all())
    assert len(statements) == 2
    assert all("SEARCH" in step.detail for step in plan), plan
