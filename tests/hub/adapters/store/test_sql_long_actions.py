"""That actions are kept is the contract's to test; here, what it costs others."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.long_actions import Kind, LongAction
from perijove.hub.testing.store_samples import NOW


async def test_how_far_an_action_is_ends_no_generation(sql_store: SqlStore) -> None:
    before = sql_store.generation
    action = LongAction("a-key-of-sixteen", Kind.STOP, "ada", 3, NOW, NOW)
    async with sql_store.transaction() as tx:
        await tx.long_actions.add(action)
        await tx.long_actions.save(action)
        await tx.long_actions.cancel(action.key)
        await tx.long_actions.forget_before(NOW)
    assert sql_store.generation == before
