"""That leases are kept is the contract's to test; here, what they cost others."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import NOW, SECOND


async def test_a_lease_ends_no_generation(sql_store: SqlStore) -> None:
    before = sql_store.generation
    async with sql_store.transaction() as tx:
        assert await tx.leases.claim("service wiki", "hub1", NOW + SECOND, NOW)
        await tx.leases.release("hub1")
    assert sql_store.generation == before
