"""Roles and their holders in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Table, and_, bindparam, delete, func, select, union

from perijove.hub.adapters.store.dialects import MAX_ID, insert_each, upsert, within
from perijove.hub.adapters.store.tables import (
    group_roles,
    groups,
    memberships,
    roles,
    service_roles,
    services,
    user_roles,
    users,
)
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.roles import HolderKind, Role

_HOLDERS: Final[dict[HolderKind, tuple[Table, Column[Any]]]] = {
    "user": (user_roles, user_roles.c.user_id),
    "group": (group_roles, group_roles.c.group_id),
    "service": (service_roles, service_roles.c.service_id),
}
_NAMED: Final[dict[HolderKind, Table]] = {"user": users, "group": groups, "service": services}
_ROLE: Final = select(roles.c.name, roles.c.scopes, roles.c.description, roles.c.managed, roles.c.custom).order_by(
    roles.c.name
)
_ROLES_OF: Final = {
    kind: _ROLE.join(table, table.c.role == roles.c.name).where(holder == bindparam("holder"))
    for kind, (table, holder) in _HOLDERS.items()
}
_EFFECTIVE: Final = _ROLE.where(
    roles.c.name.in_(
        union(
            select(user_roles.c.role).where(user_roles.c.user_id == bindparam("holder")),
            select(group_roles.c.role)
            .join(memberships, memberships.c.group_id == group_roles.c.group_id)
            .where(memberships.c.user_id == bindparam("holder")),
        )
    )
)


def _roles(rows: Iterable[Sequence[Any]]) -> list[Role]:
    return [Role(name, tuple(scopes), *others) for name, scopes, *others in rows]


class SqlRoles(Repository):
    """Roles and who has them."""

    @in_worker
    def get(self, name: str) -> Role | None:
        found = _roles(self.connection.execute(_ROLE.where(roles.c.name == name)))
        return found[0] if found else None

    @in_worker
    def list(self) -> Sequence[Role]:
        return _roles(self.connection.execute(_ROLE))

    @in_worker
    def put(self, role: Role) -> None:
        self._put(role)

    def _put(self, role: Role) -> None:
        values = {
            "scopes": [*role.scopes],
            "description": role.description,
            "managed": role.managed,
            "custom": role.custom,
        }
        new = upsert(self.connection, roles).values(name=role.name, **values)
        self.connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))

    @in_worker
    def replace_all(self, new: Sequence[Role]) -> None:
        others = ~within(roles.c.name, [role.name for role in new])
        self.connection.execute(delete(roles).where(others, ~roles.c.managed, ~roles.c.custom))
        for role in new:
            self._put(role)

    @in_worker
    def delete(self, name: str) -> None:
        self.connection.execute(delete(roles).where(roles.c.name == name))

    @in_worker
    def of(self, kind: HolderKind, holder_id: int) -> Sequence[Role]:
        return _roles(self.connection.execute(_ROLES_OF[kind], {"holder": holder_id}))

    @in_worker
    def effective_of_user(self, user_id: int) -> Sequence[Role]:
        return _roles(self.connection.execute(_EFFECTIVE, {"holder": user_id}))

    @in_worker
    def names_of(self, kind: HolderKind, holder_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        table, holder = _HOLDERS[kind]
        found: dict[int, list[str]] = {holder_id: [] for holder_id in holder_ids}
        held = select(holder, table.c.role).where(within(holder, holder_ids)).order_by(table.c.role)
        for holder_id, role in self.connection.execute(held):
            found[holder_id].append(role)
        return found

    @in_worker
    def count_holders(self) -> Mapping[str, Mapping[HolderKind, int]]:
        found: dict[str, dict[HolderKind, int]] = {}
        for kind, (table, _) in _HOLDERS.items():
            counted = select(table.c.role, func.count()).group_by(table.c.role)
            for role, count in self.connection.execute(counted):
                found.setdefault(role, {})[kind] = count
        return found

    @in_worker
    def holders(self, role: str, kind: HolderKind, window: Window) -> Page[str]:
        table, holder = _HOLDERS[kind]
        named, given = _NAMED[kind], table.c.role == role
        total = self.connection.scalar(select(func.count()).select_from(table).where(given)) or 0
        page = (
            select(named.c.name)
            .join(table, holder == named.c.id)
            .where(given)
            .order_by(named.c.name)
            .limit(min(window.limit, MAX_ID))
            .offset(min(window.offset, MAX_ID))
        )
        return Page(list(self.connection.scalars(page)), window, total)

    @in_worker
    def assign(self, role: str, kind: HolderKind, holder_id: int, *, managed: bool = False) -> None:
        table, holder = _HOLDERS[kind]
        self._give(table, holder, [holder_id], {table.c.role: role, table.c.managed: managed})

    @in_worker
    def assign_all(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        self._assign(role, kind, holder_ids)

    def _assign(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        table, holder = _HOLDERS[kind]
        self._give(table, holder, holder_ids, {table.c.role: role, table.c.managed: False})

    def _give(
        self, table: Table, each: Column[Any], values: Collection[object], others: Mapping[Column[Any], object]
    ) -> None:
        if not values:
            return
        new = insert_each(self.connection, each, values, others)
        # What was given otherwise too is not the authenticator's to take away.
        changed = {"managed": and_(table.c.managed, new.excluded.managed)}
        self.connection.execute(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed))

    @in_worker
    def revoke(self, role: str, kind: HolderKind, holder_id: int) -> None:
        table, holder = _HOLDERS[kind]
        self.connection.execute(delete(table).where(table.c.role == role, holder == holder_id))

    @in_worker
    def set_holders(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        table, holder = _HOLDERS[kind]
        others = delete(table).where(table.c.role == role, ~table.c.managed, ~within(holder, holder_ids))
        self.connection.execute(others)
        self._assign(role, kind, holder_ids)

    @in_worker
    def set_managed(self, kind: HolderKind, holder_id: int, names: Collection[str]) -> None:
        table, holder = _HOLDERS[kind]
        others = delete(table).where(holder == holder_id, table.c.managed, ~within(table.c.role, names))
        self.connection.execute(others)
        self._give(table, table.c.role, names, {holder: holder_id, table.c.managed: True})

    @in_worker
    def delete_managed(self) -> None:
        self.connection.execute(delete(roles).where(roles.c.managed))
        for table, _ in _HOLDERS.values():
            self.connection.execute(delete(table).where(table.c.managed))
