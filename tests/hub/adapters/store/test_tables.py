from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Dialect, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from perijove.hub.adapters.store.tables import UTCTime, metadata

NOW = datetime(2030, 1, 2, 3, 4, 5, 6, UTC)
EAST = timezone(timedelta(hours=3))


def test_times_are_utc_with_zone() -> None:
    kind, dialect = UTCTime(), sqlite.dialect()
    east = NOW.astimezone(EAST)
    bound = kind.process_bind_param(east, dialect)
    assert (bound, bound and bound.tzinfo) == (NOW, UTC)
    assert kind.process_bind_param(None, dialect) is None
    with pytest.raises(ValueError, match="time zone"):
        kind.process_bind_param(NOW.replace(tzinfo=None), dialect)


@pytest.mark.parametrize(
    ("dialect", "stored"),
    [(sqlite.dialect, f"{NOW:%Y-%m-%d %H:%M:%S.%f}"), (postgresql.dialect, NOW.astimezone(EAST))],
)
def test_a_stored_time_is_read_in_utc(dialect: Callable[[], Dialect], stored: object) -> None:
    read = UTCTime().result_processor(dialect(), None)
    assert [read(stored), read(None)] == [NOW, None]
    assert (read(stored) or NOW.astimezone(EAST)).tzinfo is UTC


def test_every_foreign_key_cascades_and_begins_an_index() -> None:
    for table in metadata.tables.values():
        keys = [each for each in table.constraints if isinstance(each, UniqueConstraint | PrimaryKeyConstraint)]
        indexed = {next(iter(each.columns)) for each in (*table.indexes, *keys)}
        for key in table.foreign_keys:
            assert key.ondelete == "CASCADE"
            assert key.parent in indexed, f"{table.name}.{key.parent.name}"
