"""Actions on many things at once in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import Row, delete, select, update

from perijove.hub.adapters.store.dialects import upsert
from perijove.hub.adapters.store.tables import long_actions
from perijove.hub.adapters.store.worker import Repository, in_worker, in_worker_unseen
from perijove.hub.core.long_actions import Kind, LongAction


def _action(row: Row[Any]) -> LongAction:
    told = tuple((name, why) for name, why in row.failures)
    return LongAction(**dict(row._mapping) | {"kind": Kind(row.kind), "failures": told})


def _values(action: LongAction) -> dict[str, Any]:
    return asdict(action) | {"kind": action.kind.value, "failures": [list(told) for told in action.failures]}


class SqlLongActions(Repository):
    """Actions on many things at once."""

    @in_worker_unseen
    def add(self, action: LongAction) -> bool:
        new = upsert(self.connection, long_actions).values(**_values(action)).on_conflict_do_nothing()
        return self.connection.scalar(new.returning(long_actions.c.key)) is not None

    @in_worker
    def get(self, key: str) -> LongAction | None:
        row = self.connection.execute(select(long_actions).where(long_actions.c.key == key)).one_or_none()
        return None if row is None else _action(row)

    @in_worker
    def latest(self, count: int) -> Sequence[LongAction]:
        newest = select(long_actions).order_by(long_actions.c.created.desc(), long_actions.c.key).limit(count)
        return [_action(row) for row in self.connection.execute(newest)]

    @in_worker_unseen
    def save(self, action: LongAction) -> bool:
        values = _values(action)
        for fixed in ("key", "cancel_wanted"):
            del values[fixed]
        stored = update(long_actions).where(long_actions.c.key == action.key).values(**values)
        wanted = self.connection.scalar(stored.returning(long_actions.c.cancel_wanted))
        return wanted is None or bool(wanted)

    @in_worker_unseen
    def cancel(self, key: str) -> None:
        self.connection.execute(update(long_actions).where(long_actions.c.key == key).values(cancel_wanted=True))

    @in_worker_unseen
    def forget_before(self, time: datetime) -> None:
        self.connection.execute(delete(long_actions).where(long_actions.c.changed < time))
