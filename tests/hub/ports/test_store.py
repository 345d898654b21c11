from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from perijove.hub.adapters.store import sql
from perijove.hub.core.paging import Window
from perijove.hub.ports import store as ports
from perijove.hub.ports.store import GroupQuery, ShareQuery, Store, Transaction, UserQuery
from perijove.hub.testing import memory_store
from perijove.hub.testing.memory_store import MemoryStore

REPOSITORIES = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): kind
    for name, kind in inspect.getmembers(ports, inspect.isclass)
    if getattr(kind, "_is_protocol", False) and name not in {"Store", "Transaction"}
}
"""The protocols of the port, by the name under which a transaction has them."""


def methods(kind: type[Any]) -> dict[str, Any]:
    return {name: method for name, method in inspect.getmembers(kind, callable) if not name.startswith("_")}


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]


def test_a_query_asks_for_everything_by_id() -> None:
    query = UserQuery(Window())
    assert (query.names, query.groups, query.state, query.name_filter) == (None, None, None, "")
    assert (query.sort, query.descending) == ("id", False)
    assert GroupQuery(Window()).names is None
    shares = ShareQuery(Window(), datetime.now(UTC))
    assert (shares.owner_id, shares.server_id, shares.user_id, shares.group_id) == (None,) * 4


def test_a_transaction_holds_every_repository() -> None:
    properties = {name for name, _ in inspect.getmembers(Transaction, lambda member: isinstance(member, property))}
    assert properties == set(REPOSITORIES)


@pytest.mark.parametrize(("module", "prefix"), [(sql, "Sql"), (memory_store, "Memory")])
def test_both_stores_take_what_the_port_says(module: Any, prefix: str) -> None:
    for kind in REPOSITORIES.values():
        own = methods(getattr(module, prefix + kind.__name__))
        for name, method in methods(kind).items():
            names = [(*each[1:],) for each in parameters(method)]
            assert [(*each[1:],) for each in parameters(own[name])] == names, f"{kind.__name__}.{name}"


async def test_the_store_in_memory_keeps_the_port() -> None:
    store: Store = MemoryStore()
    await store.ping()
    async with store.transaction() as tx:
        for name, _ in inspect.getmembers(Transaction, lambda member: isinstance(member, property)):
            assert hasattr(tx, name)
