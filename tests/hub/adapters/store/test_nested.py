from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import create_engine, insert, select
from sqlalchemy.dialects import postgresql

from perijove.hub.adapters.store.nested import nested, reader
from perijove.hub.adapters.store.tables import metadata, users

NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
COLUMNS = (users.c.name, users.c.admin, users.c.created, users.c.last_activity, users.c.user_info)


def test_rows_come_as_one_text_and_become_what_sqlalchemy_makes_of_them() -> None:
    with create_engine("sqlite://").connect() as connection:
        metadata.create_all(connection)
        assert connection.scalar(select(nested(COLUMNS)).select_from(users)) is None
        for name, info in (("ada", None), ("bob", {"mail": ["bob@example.org", None, 1.5]})):
            new = {"name": name, "admin": name == "ada", "created": NOW, "user_info": info}
            connection.execute(insert(users), new)
        text = connection.scalar(select(nested(COLUMNS)).select_from(users))
        rows = connection.execute(select(*COLUMNS)).all()
    assert isinstance(text, str)
    found = reader(COLUMNS)(text)
    assert sorted(map(tuple, found)) == sorted(map(tuple, rows))
    assert [row[1] for row in found] == [True, False]
    assert all(row[2].tzinfo is UTC for row in found)


def test_nothing_is_no_rows() -> None:
    assert not reader(COLUMNS)(None)


def test_postgresql_writes_times_in_another_way() -> None:
    (row,) = reader(COLUMNS)('[["ada", true, "2026-01-02T03:04:05.6789+00:00", null, {"a": 1}]]')
    assert tuple(row) == ("ada", True, NOW, None, {"a": 1})
    text = str(select(nested(COLUMNS)).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "json_agg(json_build_array(" in text
