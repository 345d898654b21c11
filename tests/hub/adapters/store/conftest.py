from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import event
from tests.support.postgres import Cluster, postgres

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.adapters.store.sqlite import SqliteDatabase


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
    database = sql_store._database
    assert isinstance(database, SqliteDatabase)

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(database.connection, "before_cursor_execute", note)
    yield sent
    event.remove(database.connection, "before_cursor_execute", note)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own."""
    with postgres() as running:
        yield running
