from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects import sqlite

from perijove.hub.adapters.store.tables import UTCTime, metadata

NOW = datetime(2030, 1, 2, 3, 4, 5, 6, UTC)


def test_times_are_utc_with_zone() -> None:
    kind, dialect = UTCTime(), sqlite.dialect()
    east = NOW.astimezone(timezone(timedelta(hours=3)))
    bound = kind.process_bind_param(east, dialect)
    assert (bound, bound and bound.tzinfo) == (NOW, UTC)
    assert kind.process_result_value(NOW.replace(tzinfo=None), dialect) == NOW
    assert kind.process_bind_param(None, dialect) is kind.process_result_value(None, dialect) is None
    with pytest.raises(ValueError, match="time zone"):
        kind.process_bind_param(NOW.replace(tzinfo=None), dialect)


def test_every_foreign_key_cascades_and_begins_an_index() -> None:
    for table in metadata.tables.values():
        keys = [each for each in table.constraints if isinstance(each, UniqueConstraint | PrimaryKeyConstraint)]
        indexed = {next(iter(each.columns)) for each in (*table.indexes, *keys)}
        for key in table.foreign_keys:
            assert key.ondelete == "CASCADE"
            assert key.parent in indexed, f"{table.name}.{key.parent.name}"
