from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import event

from perijove.hub.adapters.store.sql import SqlStore


@pytest.fixture
async def sql_store() -> AsyncIterator[SqlStore]:
    """An empty store in memory."""
    store = await SqlStore.open("sqlite://")
    yield store
    await store.close()


@pytest.fixture
def statements(sql_store: SqlStore) -> Iterator[list[str]]:
    """The statements that the store has sent to the database since the test began; clear it at will."""
    sent: list[str] = []
    opened = sql_store._opened
    assert opened is not None

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(opened.connection, "before_cursor_execute", note)
    yield sent
    event.remove(opened.connection, "before_cursor_execute", note)
