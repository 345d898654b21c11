"""Sign-ins that wait for the browser to come back, in SQL."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update

from perijove.hub.adapters.store.dialects import MAX_ID
from perijove.hub.adapters.store.tables import pending_sign_ins
from perijove.hub.adapters.store.worker import Repository, in_worker_unseen
from perijove.hub.core.pending_sign_ins import PendingSignIn

_NEWEST: Final = pending_sign_ins.c.begun.desc(), pending_sign_ins.c.state_hash


def _pending(row: Row[Any] | None) -> PendingSignIn | None:
    return None if row is None else PendingSignIn(**row._mapping)


class SqlPendingSignIns(Repository):
    """Sign-ins that wait for the browser to come back. No answer is made of them: the store's generation goes on."""

    @in_worker_unseen
    def add(self, pending: PendingSignIn, keep: int) -> None:
        self.connection.execute(insert(pending_sign_ins), dataclasses.asdict(pending))
        ours = pending_sign_ins.c.browser_hash == pending.browser_hash
        beyond = select(pending_sign_ins.c.state_hash).where(ours).order_by(*_NEWEST).limit(MAX_ID).offset(keep)
        self.connection.execute(delete(pending_sign_ins).where(pending_sign_ins.c.state_hash.in_(beyond)))

    @in_worker_unseen
    def get(self, state_hash: str) -> PendingSignIn | None:
        found = select(pending_sign_ins).where(pending_sign_ins.c.state_hash == state_hash)
        return _pending(self.connection.execute(found).one_or_none())

    @in_worker_unseen
    def latest_of(self, browser_hash: str) -> PendingSignIn | None:
        found = select(pending_sign_ins).where(pending_sign_ins.c.browser_hash == browser_hash)
        return _pending(self.connection.execute(found.order_by(*_NEWEST).limit(1)).one_or_none())

    @in_worker_unseen
    def use(self, state_hash: str) -> bool:
        unused = (pending_sign_ins.c.state_hash == state_hash) & ~pending_sign_ins.c.used
        return self.connection.execute(update(pending_sign_ins).where(unused).values(used=True, data={})).rowcount == 1

    @in_worker_unseen
    def purge(self, before: datetime, keep: int) -> int:
        gone = self.connection.execute(delete(pending_sign_ins).where(pending_sign_ins.c.begun < before)).rowcount
        beyond = select(pending_sign_ins.c.state_hash).order_by(*_NEWEST).limit(MAX_ID).offset(keep)
        oldest = pending_sign_ins.c.state_hash.in_(beyond)
        return gone + self.connection.execute(delete(pending_sign_ins).where(oldest)).rowcount
