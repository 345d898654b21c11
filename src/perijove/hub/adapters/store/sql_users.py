"""Users in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Select,
    Text,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)

from perijove.hub.adapters.store.dialects import (
    MAX_ID,
    collected,
    insert_each,
    position,
    upsert,
    within,
    within_given,
)
from perijove.hub.adapters.store.endings import delete_clients
from perijove.hub.adapters.store.kept_rows import KeptRows, rows_of
from perijove.hub.adapters.store.sql_servers import OF_USER, servers_in
from perijove.hub.adapters.store.tables import (
    accounts,
    auth_states,
    groups,
    memberships,
    oauth_clients,
    servers,
    tokens,
    user_roles,
    users,
)
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.paging import Page
from perijove.hub.core.renaming import renamed
from perijove.hub.core.servers import AT_REST, State
from perijove.hub.core.users import Overview, User
from perijove.hub.ports.store import UserQuery, UserSort, UserState

USER: Final = (
    users.c.id,
    users.c.name,
    users.c.admin,
    users.c.created,
    users.c.last_activity,
    select(collected(groups.c.name))
    .join(memberships, memberships.c.group_id == groups.c.id)
    .where(memberships.c.user_id == users.c.id)
    .scalar_subquery()
    .label("groups"),
    users.c.user_info,
    users.c.remove_wanted,
)
"""What `user_of` takes: the fields of a `User`, in their order."""

_ROLES: Final = select(collected(user_roles.c.role)).where(user_roles.c.user_id == users.c.id).scalar_subquery()
_OVERVIEW: Final = (*USER, _ROLES, OF_USER)
_INFO: Final = _OVERVIEW.index(users.c.user_info)
_SERVERS: Final = len(_OVERVIEW) - 1
_BY_NAME: Final = select(*USER).where(users.c.name == bindparam("name"))
_BY_ID: Final = select(*USER).where(users.c.id == bindparam("id"))
_TO_REMOVE: Final = select(*USER).where(users.c.remove_wanted).order_by(users.c.id)


def user_of(row: Sequence[Any]) -> User:
    """Return the user in a row of the columns `USER`."""
    return User(*row)


class SqlUsers(Repository):
    """Users."""

    @in_worker
    def get(self, name: str) -> User | None:
        row = self.connection.execute(_BY_NAME, {"name": name}).one_or_none()
        return None if row is None else user_of(row)

    @in_worker
    def by_id(self, user_id: int) -> User | None:
        row = self.connection.execute(_BY_ID, {"id": user_id}).one_or_none() if user_id <= MAX_ID else None
        return None if row is None else user_of(row)

    @in_worker
    def list(self, query: UserQuery) -> Page[User]:
        statements, given = _statements(_shape(query)), _given(query)
        total = self.connection.scalar(statements.counted, given) or 0
        found = [user_of(row) for row in self.connection.execute(statements.users, given).all()]
        return Page(found, query.window, total)

    @in_worker
    def overview(self, query: UserQuery) -> Page[Overview]:
        statements, given = _statements(_shape(query)), _given(query)
        rows = rows_of(self.connection, statements.overviews, given)
        # Nothing is there to tell how many there are, where the window lies beyond them.
        total = rows[0][-1] if rows else self.connection.scalar(statements.counted, given) or 0
        kept = _kept_rows(self.connection.dialect)
        # What has parts that somebody could change is not shared.
        own = [row[_SERVERS] is not None or row[_INFO] is not None for row in rows]
        items = [(kept.made if alone else kept.kept)(row[:-1]) for row, alone in zip(rows, own, strict=True)]
        return Page(items, query.window, total)

    @in_worker
    def names(self, query: UserQuery) -> Sequence[str]:
        return [name for (name,) in rows_of(self.connection, _statements(_shape(query)).names, _given(query))]

    @in_worker
    def add(self, name: str, *, admin: bool, now: datetime) -> User:
        return User(self.insert(users, {"name": name, "admin": admin, "created": now}), name, admin, now)

    @in_worker
    def named(self, names: Collection[str]) -> Mapping[str, User]:
        found = select(*USER).where(within(users.c.name, names)).order_by(users.c.id)
        return {row.name: user_of(row) for row in self.connection.execute(found)}

    @in_worker
    def add_many(self, names: Collection[str], *, admin: bool, now: datetime) -> Sequence[User]:
        new = insert_each(
            self.connection, users.c.name, dict.fromkeys(names), {users.c.admin: admin, users.c.created: now}
        )
        added = new.on_conflict_do_nothing()
        ids = {row.name: row.id for row in self.connection.execute(added.returning(users.c.id, users.c.name))}
        return [User(ids[name], name, admin, now) for name in dict.fromkeys(names) if name in ids]

    @in_worker
    def rename(self, user_id: int, new_name: str) -> None:
        old_name = self.connection.scalar(select(users.c.name).where(users.c.id == user_id))
        if old_name is None or old_name == new_name:
            return
        self.connection.execute(update(users).where(users.c.id == user_id).values(name=new_name))
        self.connection.execute(update(accounts).where(accounts.c.name == old_name).values(name=new_name))
        own = select(servers.c.id).where(servers.c.user_id == user_id)
        delete_clients(self.connection, oauth_clients.c.server_id.in_(own))
        self._rename_in_scopes(old_name, new_name)

    def _rename_in_scopes(self, old_name: str, new_name: str) -> None:
        stored = cast(tokens.c.scopes, Text)
        limited = select(tokens.c.id, tokens.c.scopes).where(
            or_(*(position(stored, mark) > 0 for mark in ("!user=", "!server=")))
        )
        changed = [
            {"row": token_id, "after": after}
            for token_id, scopes in self.connection.execute(limited)
            if (after := list(renamed(scopes, old_name, new_name))) != scopes
        ]
        if changed:
            one = update(tokens).where(tokens.c.id == bindparam("row"))
            self.connection.execute(one.values(scopes=bindparam("after")), changed)

    @in_worker
    def set_user_info(self, user_id: int, user_info: Mapping[str, object] | None) -> None:
        told = None if user_info is None else dict(user_info)
        self.connection.execute(update(users).where(users.c.id == user_id).values(user_info=told))

    @in_worker
    def auth_state(self, user_id: int) -> bytes | None:
        return self.connection.scalar(select(auth_states.c.encrypted).where(auth_states.c.user_id == user_id))

    @in_worker
    def set_auth_state(self, user_id: int, encrypted: bytes | None) -> None:
        if encrypted is None:
            self.connection.execute(delete(auth_states).where(auth_states.c.user_id == user_id))
            return
        new = upsert(self.connection, auth_states).values(user_id=user_id, encrypted=encrypted)
        self.connection.execute(new.on_conflict_do_update(index_elements=["user_id"], set_={"encrypted": encrypted}))

    @in_worker
    def want_removal(self, user_id: int, wanted: bool) -> None:
        self.connection.execute(update(users).where(users.c.id == user_id).values(remove_wanted=wanted))

    @in_worker
    def list_to_remove(self) -> Sequence[User]:
        return [user_of(row) for row in self.connection.execute(_TO_REMOVE)]

    @in_worker
    def set_admin(self, user_id: int, admin: bool) -> None:
        self.connection.execute(update(users).where(users.c.id == user_id).values(admin=admin))

    @in_worker
    def delete(self, user_id: int) -> None:
        name = select(users.c.name).where(users.c.id == user_id).scalar_subquery()
        self.connection.execute(delete(accounts).where(accounts.c.name == name))
        own = select(servers.c.id).where(servers.c.user_id == user_id)
        delete_clients(self.connection, oauth_clients.c.server_id.in_(own))
        self.connection.execute(delete(users).where(users.c.id == user_id))

    @in_worker
    def count(self, *, active_since: datetime | None = None) -> int:
        counted = select(func.count()).select_from(users)
        if active_since is not None:
            counted = counted.where(users.c.last_activity >= active_since)
        return self.connection.scalar(counted) or 0


@lru_cache
def _kept_rows(dialect: Dialect) -> KeptRows[Overview]:
    return KeptRows(dialect, _OVERVIEW, lambda *row: Overview(user_of(row[:-2]), row[-2], servers_in(row[-1])))


def _given(query: UserQuery) -> dict[str, object]:
    """Return the parameters of the statements for *query*."""
    return {
        "limit": min(query.window.limit, MAX_ID),
        "offset": min(query.window.offset, MAX_ID),
        "names": [*(query.names or ())],
        "groups": [*(query.groups or ())],
        "member_of": query.member_of,
        "text": query.name_filter.lower(),
    }


class _Shape(NamedTuple):
    """What two queries have in common for which the same statements do, with other values."""

    limited: bool
    by_group: bool
    of_group: bool
    admin: bool | None
    filtered: bool
    state: UserState | None
    sort: UserSort
    descending: bool


class _Statements(NamedTuple):
    """How many, their names, who, and who with their roles and servers and how many."""

    counted: Select[Any]
    names: Select[Any]
    users: Select[Any]
    overviews: Select[Any]


def _shape(query: UserQuery) -> _Shape:
    limited = query.names is not None or query.groups is not None
    by_group, of_group, filtered = bool(query.groups), bool(query.member_of), bool(query.name_filter)
    return _Shape(limited, by_group, of_group, query.admin, filtered, query.state, query.sort, query.descending)


@lru_cache(maxsize=256)  # of those that anybody asks for, there are no more
def _statements(shape: _Shape) -> _Statements:
    """Return the statements for all queries of that shape: to put them together takes as long as to carry them out."""
    conditions = list(_conditions(shape))
    count = select(func.count()).select_from(users).where(*conditions)
    page = (
        select(*USER)
        .where(*conditions)
        .order_by(*_order(shape))
        .limit(bindparam("limit", type_=BigInteger))
        .offset(bindparam("offset", type_=BigInteger))
    )
    overviews = page.add_columns(_ROLES, OF_USER, count.scalar_subquery())
    return _Statements(count, page.with_only_columns(users.c.name), page, overviews)


def _conditions(shape: _Shape) -> Iterator[ColumnElement[bool]]:
    """Yield what a user must be to be among those asked for."""
    members = select(memberships.c.user_id).join(groups, groups.c.id == memberships.c.group_id)
    if shape.limited:
        visible = within_given(users.c.name, "names")
        in_groups = users.c.id.in_(members.where(within_given(groups.c.name, "groups")))
        yield or_(visible, in_groups) if shape.by_group else visible
    if shape.of_group:
        yield users.c.id.in_(members.where(groups.c.name == bindparam("member_of")))
    if shape.admin is not None:
        yield users.c.admin.is_(shape.admin)
    if shape.filtered:
        yield position(users.c.name, bindparam("text", type_=Text)) > 0
    owners = select(servers.c.user_id)
    active = owners.where(servers.c.state.not_in(sorted(AT_REST)))
    match shape.state:
        case "active":
            yield users.c.id.in_(active)
        case "ready":
            yield users.c.id.in_(owners.where(servers.c.state == State.READY))
        case "inactive":
            yield users.c.id.not_in(active)
        case None:
            pass


def _order(shape: _Shape) -> Sequence[ColumnElement[Any]]:
    """Return what to sort by; the id decides between equals, in the same direction."""
    columns = [users.c.id] if shape.sort == "id" else [users.c[shape.sort], users.c.id]
    if shape.descending:
        return [column.desc().nulls_last() if column.nullable else column.desc() for column in columns]
    return [column.asc().nulls_first() if column.nullable else column.asc() for column in columns]
