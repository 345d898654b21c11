"""That sign-ins are kept is the contract's to test; here, what they cost others."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.pending_sign_ins import PendingSignIn
from perijove.hub.testing.store_samples import NOW


async def test_a_pending_sign_in_ends_no_generation(sql_store: SqlStore) -> None:
    before = sql_store.generation
    async with sql_store.transaction() as tx:
        await tx.pending_sign_ins.add(PendingSignIn("s", "b", "", 1, NOW, {"a": 1}), 5)
        assert await tx.pending_sign_ins.use("s")
        assert await tx.pending_sign_ins.purge(NOW, 0) == 1
    assert sql_store.generation == before
