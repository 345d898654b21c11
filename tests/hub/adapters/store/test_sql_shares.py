"""That shares are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.paging import Window
from perijove.hub.ports.store import ShareQuery
from perijove.hub.testing.store_samples import NOW, add_user, share


async def test_what_is_shared_with_a_user_takes_one_statement(sql_store: SqlStore, statements: list[str]) -> None:
    async with sql_store.transaction() as tx:
        bob = await add_user(tx, "bob")
        for number in range(10):
            server = await tx.servers.add((await add_user(tx, f"u{number}")).id, "")
            await tx.shares.put(share(server, user_id=bob.id))
        statements.clear()
        assert len(await tx.shares.scopes_for_user(bob.id, NOW)) == 10
        assert len(statements) == 1
        assert len((await tx.shares.list(ShareQuery(Window(0, 5), NOW, user_id=bob.id))).items) == 5
        assert len(statements) == 3
