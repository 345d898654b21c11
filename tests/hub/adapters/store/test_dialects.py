"""What both databases are asked is the contract's to test; here, the parts by themselves on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, NullPool, create_engine, insert, literal, select
from sqlalchemy.dialects import postgresql

from perijove.hub.adapters.store.dialects import MAX_ID, collected, listed, position, upsert, within
from perijove.hub.adapters.store.tables import groups, metadata, users

NOW = datetime(2030, 1, 2, 3, 4, 5, 6, UTC)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=NullPool)
    with engine.begin() as opened:
        metadata.create_all(opened)
        opened.execute(insert(users), [{"name": name, "admin": False, "created": NOW} for name in "abc"])
        yield opened


def test_any_number_of_values_is_one_parameter(connection: Connection) -> None:
    names = ["a", "c", *(f"n{number}" for number in range(300_000))]
    found = connection.scalars(select(users.c.name).where(within(users.c.name, names)).order_by(users.c.id))
    assert list(found) == ["a", "c"]


def test_numbers_that_no_row_can_have_are_left_out(connection: Connection) -> None:
    assert list(connection.scalars(listed([1, MAX_ID, MAX_ID + 1, -(2**70)], users.c.id))) == [1, MAX_ID]


def test_all_values_come_in_one_field(connection: Connection) -> None:
    assert sorted(connection.scalars(select(collected(users.c.name))).one()) == ["a", "b", "c"]
    assert not connection.scalars(select(collected(groups.c.name))).one()


def test_where_a_text_holds_another(connection: Connection) -> None:
    for text, part, at in (("a%b", "%", 2), ("a%b", "x", 0)):
        assert connection.scalar(select(position(literal(text), part))) == at


def test_what_is_there_already_is_left_or_changed(connection: Connection) -> None:
    new = upsert(connection, users).values(name="a", admin=True, created=NOW)
    assert connection.execute(new.on_conflict_do_nothing()).rowcount == 0
    connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"admin": True}))
    assert connection.scalar(select(users.c.admin).where(users.c.name == "a")) is True


def test_postgresql_has_its_own_words() -> None:
    query = select(collected(users.c.name)).where(within(users.c.name, ["a"]), position(users.c.name, "a") > 0)
    compiled = query.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    text = str(compiled)
    assert all(word in text for word in ("json_agg", "json_array_elements_text", "strpos"))
