"""Leases in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete

from perijove.hub.adapters.store.dialects import upsert
from perijove.hub.adapters.store.tables import leases
from perijove.hub.adapters.store.worker import Repository, in_worker_unseen


class SqlLeases(Repository):
    """What hub processes have taken upon themselves."""

    @in_worker_unseen
    def claim(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        taken = upsert(self.connection, leases).values(name=name, owner=owner, until=until)
        free = (leases.c.owner == owner) | (leases.c.until <= now)
        taken = taken.on_conflict_do_update(index_elements=["name"], set_={"owner": owner, "until": until}, where=free)
        return self.connection.scalar(taken.returning(leases.c.name)) is not None

    @in_worker_unseen
    def release(self, owner: str) -> None:
        self.connection.execute(delete(leases).where(leases.c.owner == owner))
