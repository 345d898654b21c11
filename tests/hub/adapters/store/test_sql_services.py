"""That services are kept is the contract's to test; here, what it costs."""

from __future__ import annotations

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.services import Service


async def test_services_are_listed_and_thinned_out_in_a_few_statements(
    sql_store: SqlStore, statements: list[str]
) -> None:
    async with sql_store.transaction() as tx:
        for number in range(20):
            await tx.services.put(Service(0, f"s{number}"))
        statements.clear()
        assert len(await tx.services.list()) == 20
        assert len(statements) == 1
        await tx.services.keep_only(["s1"])
        assert len(statements) == 4, "services, their clients and what was issued to these"
