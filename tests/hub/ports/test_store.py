from __future__ import annotations

import inspect

from perijove.hub.core.paging import Window
from perijove.hub.ports import store as ports
from perijove.hub.ports.store import Store, Transaction, UserQuery
from perijove.hub.testing.memory_store import MemoryStore


def test_a_query_asks_for_everybody_by_id() -> None:
    query = UserQuery(Window())
    assert (query.names, query.state, query.name_filter, query.sort, query.descending) == (None, None, "", "id", False)


def test_a_transaction_holds_every_repository() -> None:
    apart = {"Store", "Transaction", "Protocol"}
    repositories = {
        name.lower()
        for name, kind in inspect.getmembers(ports, inspect.isclass)
        if name not in apart and getattr(kind, "_is_protocol", False)
    }
    properties = {name for name, _ in inspect.getmembers(Transaction, lambda member: isinstance(member, property))}
    assert properties == repositories


async def test_the_store_in_memory_keeps_the_port() -> None:
    store: Store = MemoryStore()
    await store.ping()
    async with store.transaction() as tx:
        for name, _ in inspect.getmembers(Transaction, lambda member: isinstance(member, property)):
            assert hasattr(tx, name)
