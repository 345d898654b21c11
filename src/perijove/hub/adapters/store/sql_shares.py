"""Shares and share codes in SQL."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, or_, select, update

from perijove.hub.adapters.store.dialects import MAX_ID, upsert
from perijove.hub.adapters.store.tables import UTCTime, groups, memberships, servers, share_codes, shares, users
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.paging import Page
from perijove.hub.core.shares import Share, ShareCode, limited
from perijove.hub.ports.store import ShareQuery

_OWNER: Final = users.alias("owner")
_OF: Final = (_OWNER.c.name.label("owner_name"), servers.c.name.label("server_name"))
_SHARE: Final = (
    select(
        shares,
        *_OF,
        func.coalesce(users.c.name, "").label("user_name"),
        func.coalesce(groups.c.name, "").label("group_name"),
    )
    .join(servers, servers.c.id == shares.c.server_id)
    .join(_OWNER, _OWNER.c.id == servers.c.user_id)
    .outerjoin(users, users.c.id == shares.c.user_id)
    .outerjoin(groups, groups.c.id == shares.c.group_id)
)
_CODE: Final = (
    select(share_codes, *_OF)
    .join(servers, servers.c.id == share_codes.c.server_id)
    .join(_OWNER, _OWNER.c.id == servers.c.user_id)
)
_GROUPS_OF_USER: Final = select(memberships.c.group_id).where(memberships.c.user_id == bindparam("user"))
_LASTS: Final = or_(shares.c.expires.is_(None), shares.c.expires > bindparam("now", type_=UTCTime))
_SCOPES: Final = (
    select(shares.c.scopes, *_OF)
    .join(servers, servers.c.id == shares.c.server_id)
    .join(_OWNER, _OWNER.c.id == servers.c.user_id)
    .where(_LASTS, or_(shares.c.user_id == bindparam("user"), shares.c.group_id.in_(_GROUPS_OF_USER)))
)


def _with_scopes(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping) | {"scopes": tuple(row.scopes)}


class SqlShares(Repository):
    """Shares."""

    @in_worker
    def list(self, query: ShareQuery) -> Page[Share]:
        conditions = [or_(shares.c.expires.is_(None), shares.c.expires > query.now), *_of(query, shares.c.server_id)]
        if query.user_id is not None:
            own = select(memberships.c.group_id).where(memberships.c.user_id == query.user_id)
            conditions.append(or_(shares.c.user_id == query.user_id, shares.c.group_id.in_(own)))
        if query.group_id is not None:
            conditions.append(shares.c.group_id == query.group_id)
        total = self.connection.scalar(select(func.count()).select_from(shares).where(*conditions)) or 0
        page = (
            _SHARE.where(*conditions)
            .order_by(shares.c.id)
            .limit(min(query.window.limit, MAX_ID))
            .offset(min(query.window.offset, MAX_ID))
        )
        return Page([Share(**_with_scopes(row)) for row in self.connection.execute(page)], query.window, total)

    @in_worker
    def with_user(self, server_id: int, user_id: int) -> Share | None:
        return self._one(shares.c.server_id == server_id, shares.c.user_id == user_id)

    @in_worker
    def with_group(self, server_id: int, group_id: int) -> Share | None:
        return self._one(shares.c.server_id == server_id, shares.c.group_id == group_id)

    def _one(self, *which: ColumnElement[bool]) -> Share | None:
        row = self.connection.execute(_SHARE.where(*which)).one_or_none()
        return None if row is None else Share(**_with_scopes(row))

    @in_worker
    def put(self, share: Share) -> Share:
        if (share.user_id is None) is (share.group_id is None):
            raise ValueError("a share is for a user or for a group")
        changed = {"scopes": sorted(set(share.scopes)), "expires": share.expires}
        new = upsert(self.connection, shares).values(
            server_id=share.server_id, user_id=share.user_id, group_id=share.group_id, created=share.created, **changed
        )
        holder = "user_id" if share.group_id is None else "group_id"
        put = new.on_conflict_do_update(index_elements=["server_id", holder], set_=changed)
        share_id = self.connection.scalar(put.returning(shares.c.id))
        return Share(**_with_scopes(self.connection.execute(_SHARE.where(shares.c.id == share_id)).one()))

    @in_worker
    def delete(self, share_id: int) -> None:
        self.connection.execute(delete(shares).where(shares.c.id == share_id))

    @in_worker
    def delete_of_server(self, server_id: int) -> int:
        return self.connection.execute(delete(shares).where(shares.c.server_id == server_id)).rowcount

    @in_worker
    def scopes_for_user(self, user_id: int, now: datetime) -> Collection[str]:
        found = self.connection.execute(_SCOPES, {"user": user_id, "now": now})
        return {scope for scopes, owner, server in found for scope in limited(scopes, owner, server)}

    @in_worker
    def delete_expired(self, now: datetime) -> int:
        over = self.connection.execute(delete(shares).where(shares.c.expires <= now)).rowcount
        return over + self.connection.execute(delete(share_codes).where(share_codes.c.expires <= now)).rowcount


class SqlShareCodes(Repository):
    """Share codes."""

    @in_worker
    def list(self, query: ShareQuery) -> Page[ShareCode]:
        conditions = [share_codes.c.expires > query.now, *_of(query, share_codes.c.server_id)]
        total = self.connection.scalar(select(func.count()).select_from(share_codes).where(*conditions)) or 0
        page = (
            _CODE.where(*conditions)
            .order_by(share_codes.c.id)
            .limit(min(query.window.limit, MAX_ID))
            .offset(min(query.window.offset, MAX_ID))
        )
        return Page([ShareCode(**_with_scopes(row)) for row in self.connection.execute(page)], query.window, total)

    @in_worker
    def by_hash(self, code_hash: str) -> ShareCode | None:
        return self._one(share_codes.c.code_hash == code_hash)

    @in_worker
    def get(self, code_id: int) -> ShareCode | None:
        return self._one(share_codes.c.id == code_id) if code_id <= MAX_ID else None

    def _one(self, which: ColumnElement[bool]) -> ShareCode | None:
        row = self.connection.execute(_CODE.where(which)).one_or_none()
        return None if row is None else ShareCode(**_with_scopes(row))

    @in_worker
    def add(self, code: ShareCode) -> ShareCode:
        values = {
            "code_hash": code.code_hash,
            "server_id": code.server_id,
            "scopes": sorted(set(code.scopes)),
            "created": code.created,
            "expires": code.expires,
            "exchange_count": code.exchange_count,
            "last_exchanged": code.last_exchanged,
        }
        code_id = self.insert(share_codes, values)
        return ShareCode(**_with_scopes(self.connection.execute(_CODE.where(share_codes.c.id == code_id)).one()))

    @in_worker
    def exchanged(self, code_id: int, now: datetime) -> None:
        counted = {"exchange_count": share_codes.c.exchange_count + 1, "last_exchanged": now}
        self.connection.execute(update(share_codes).where(share_codes.c.id == code_id).values(counted))

    @in_worker
    def delete(self, code_id: int) -> None:
        self.connection.execute(delete(share_codes).where(share_codes.c.id == code_id))

    @in_worker
    def delete_of_server(self, server_id: int) -> int:
        return self.connection.execute(delete(share_codes).where(share_codes.c.server_id == server_id)).rowcount


def _of(query: ShareQuery, server: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """Return the conditions on the server that shares and codes have in common."""
    conditions: list[ColumnElement[bool]] = []
    if query.server_id is not None:
        conditions.append(server == query.server_id)
    if query.owner_id is not None:
        conditions.append(server.in_(select(servers.c.id).where(servers.c.user_id == query.owner_id)))
    return conditions
