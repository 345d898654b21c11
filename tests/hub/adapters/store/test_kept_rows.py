from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from perijove.hub.adapters.store.kept_rows import KeptRows, rows_of
from perijove.hub.adapters.store.tables import metadata, users

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (users.c.name, users.c.admin, users.c.created, users.c.last_activity)


@pytest.fixture
def connection() -> Any:
    with create_engine("sqlite://").connect() as connection:
        metadata.create_all(connection)
        connection.execute(insert(users), {"name": "ada", "admin": True, "created": NOW})
        yield connection


def test_rows_become_what_sqlalchemy_makes_of_them(connection: Connection) -> None:
    (row,) = rows_of(connection, select(*COLUMNS), {})
    assert KeptRows(connection.dialect, COLUMNS, lambda *values: values).kept(row) == ("ada", True, NOW, None)
    assert connection.execute(select(*COLUMNS)).one() == ("ada", True, NOW, None)


def test_a_row_is_read_once_as_long_as_it_is_the_same(connection: Connection) -> None:
    rows = KeptRows(connection.dialect, COLUMNS, lambda *values: list(values))
    (before,) = rows_of(connection, select(*COLUMNS), {})
    (again,) = rows_of(connection, select(*COLUMNS), {})
    assert rows.kept(before) is rows.kept(again)
    assert rows.made(before) is not rows.kept(before)
    connection.execute(users.update().values(admin=False))
    (after,) = rows_of(connection, select(*COLUMNS), {})
    assert rows.kept(after) == ["ada", False, NOW, None]
