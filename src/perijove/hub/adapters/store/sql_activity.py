"""Activity, and counted attempts, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, or_, select, tuple_, update

from perijove.hub.adapters.store import tables
from perijove.hub.adapters.store.dialects import MAX_ID, moments, upsert
from perijove.hub.adapters.store.tables import attempts
from perijove.hub.adapters.store.worker import Repository, in_worker, in_worker_unseen
from perijove.hub.core.attempts import AttemptKey, Tally

_TALLY: Final = (attempts.c.kind, attempts.c.key_hash, attempts.c.count, attempts.c.since)


class SqlActivity(Repository):
    """When things were last used."""

    @in_worker_unseen
    def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        for table, times in ((tables.users, users), (tables.servers, servers), (tables.tokens, tokens)):
            if times:
                now = moments(times)
                older = or_(table.c.last_activity.is_(None), table.c.last_activity < now.c.at)
                moved = update(table).values(last_activity=now.c.at).where(table.c.id == now.c.id, older)
                self.connection.execute(moved)


class SqlAttempts(Repository):
    """Counted attempts."""

    @in_worker_unseen
    def record(self, keys: Collection[AttemptKey], now: datetime, window: timedelta) -> Mapping[AttemptKey, Tally]:
        if not keys:
            return {}
        # In one order everywhere, so that two hub processes never wait for each other crosswise.
        rows = [{"kind": key.kind, "key_hash": key.key_hash, "since": now, "count": 1} for key in sorted(set(keys))]
        new = upsert(self.connection, attempts).values(rows)
        over = attempts.c.since <= now - window
        counted = new.on_conflict_do_update(
            index_elements=["kind", "key_hash"],
            set_={
                "count": case((over, 1), else_=attempts.c.count + 1),
                "since": case((over, new.excluded.since), else_=attempts.c.since),
            },
        )
        return _tallies(self.connection.execute(counted.returning(*_TALLY)))

    @in_worker
    def count(self, keys: Collection[AttemptKey], now: datetime, window: timedelta) -> Mapping[AttemptKey, Tally]:
        found = select(*_TALLY).where(_among(keys), attempts.c.since > now - window)
        return _tallies(self.connection.execute(found))

    @in_worker_unseen
    def forget(self, keys: Collection[AttemptKey]) -> None:
        self.connection.execute(delete(attempts).where(_among(keys)))

    @in_worker_unseen
    def purge(self, before: datetime, keep: int) -> int:
        gone = self.connection.execute(delete(attempts).where(attempts.c.since < before)).rowcount
        ordered = attempts.c.since.desc(), attempts.c.kind, attempts.c.key_hash
        beyond = select(attempts.c.kind, attempts.c.key_hash).order_by(*ordered).limit(MAX_ID).offset(keep)
        oldest = tuple_(attempts.c.kind, attempts.c.key_hash).in_(beyond)
        return gone + self.connection.execute(delete(attempts).where(oldest)).rowcount


def _among(keys: Collection[AttemptKey]) -> ColumnElement[bool]:
    return tuple_(attempts.c.kind, attempts.c.key_hash).in_([tuple(key) for key in keys])


def _tallies(rows: Iterable[Sequence[Any]]) -> dict[AttemptKey, Tally]:
    return {AttemptKey(kind, key_hash): Tally(count, since) for kind, key_hash, count, since in rows}
