"""Roles and their holders, services, and activity in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Table, bindparam, delete, exists, insert, literal, select, update

from perijove.hub.adapters.store import tables
from perijove.hub.adapters.store.tables import MAX_ID, used, within
from perijove.hub.adapters.store.worker import Repository, in_worker, in_worker_unseen
from perijove.hub.core.roles import Role
from perijove.hub.core.services import Service
from perijove.hub.ports.store import OwnerKind

_HOLDERS: Final[dict[OwnerKind, tuple[Table, Column[Any]]]] = {
    "user": (tables.user_roles, tables.user_roles.c.user_id),
    "service": (tables.service_roles, tables.service_roles.c.service_id),
}
_ROLE: Final = select(tables.roles.c.name, tables.roles.c.scopes, tables.roles.c.description).order_by(
    tables.roles.c.name
)
_ROLES_OF: Final = {
    kind: _ROLE.join(table, table.c.role == tables.roles.c.name).where(holder == bindparam("holder"))
    for kind, (table, holder) in _HOLDERS.items()
}

_USER_USED: Final = used(tables.users)
_SERVER_USED: Final = used(tables.servers)
_TOKEN_USED: Final = used(tables.tokens)


class SqlRoles(Repository):
    """Roles and who has them."""

    @in_worker
    def list(self) -> Sequence[Role]:
        return [Role(name, tuple(scopes), about) for name, scopes, about in self.connection.execute(_ROLE)]

    @in_worker
    def replace_all(self, roles: Sequence[Role]) -> None:
        self.connection.execute(delete(tables.roles).where(~within(tables.roles.c.name, [role.name for role in roles])))
        for role in roles:
            values = {"scopes": list(role.scopes), "description": role.description}
            if not self.connection.execute(
                update(tables.roles).where(tables.roles.c.name == role.name).values(values)
            ).rowcount:
                self.connection.execute(insert(tables.roles), {"name": role.name, **values})

    @in_worker
    def of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Role]:
        rows = self.connection.execute(_ROLES_OF[owner_kind], {"holder": owner_id})
        return [Role(name, tuple(scopes), about) for name, scopes, about in rows]

    @in_worker
    def of_users(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        found: dict[int, list[str]] = {user_id: [] for user_id in user_ids}
        held = select(tables.user_roles.c.user_id, tables.user_roles.c.role).where(
            within(tables.user_roles.c.user_id, user_ids)
        )
        for user_id, role in self.connection.execute(held.order_by(tables.user_roles.c.role)):
            found[user_id].append(role)
        return found

    @in_worker
    def assign(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        table, holder = _HOLDERS[owner_kind]
        held = exists().where(table.c.role == role, holder == owner_id)
        new = select(literal(role), literal(owner_id)).where(~held)
        self.connection.execute(insert(table).from_select([table.c.role, holder], new))

    @in_worker
    def revoke(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        table, holder = _HOLDERS[owner_kind]
        self.connection.execute(delete(table).where(table.c.role == role, holder == owner_id))

    @in_worker
    def set_holders(self, role: str, owner_kind: OwnerKind, owner_ids: Collection[int]) -> None:
        table, holder = _HOLDERS[owner_kind]
        before = set(self.connection.scalars(select(holder).where(table.c.role == role)))
        after = set(owner_ids)
        if before - after:
            gone = delete(table).where(table.c.role == role, within(holder, before - after))
            self.connection.execute(gone)
        if after - before:
            self.connection.execute(
                insert(table), [{"role": role, holder.name: owner} for owner in sorted(after - before)]
            )


class SqlServices(Repository):
    """Services from the configuration."""

    @in_worker
    def get(self, name: str) -> Service | None:
        row = self.connection.execute(select(tables.services).where(tables.services.c.name == name)).one_or_none()
        return None if row is None else Service(*row)

    @in_worker
    def by_id(self, service_id: int) -> Service | None:
        if service_id > MAX_ID:
            return None
        row = self.connection.execute(select(tables.services).where(tables.services.c.id == service_id)).one_or_none()
        return None if row is None else Service(*row)

    @in_worker
    def put(self, name: str, *, admin: bool) -> Service:
        if not self.connection.execute(
            update(tables.services).where(tables.services.c.name == name).values(admin=admin)
        ).rowcount:
            self.connection.execute(insert(tables.services), {"name": name, "admin": admin})
        row = self.connection.execute(select(tables.services).where(tables.services.c.name == name)).one()
        return Service(*row)

    @in_worker
    def keep_only(self, names: Collection[str]) -> None:
        self.connection.execute(delete(tables.services).where(~within(tables.services.c.name, names)))


class SqlActivity(Repository):
    """When things were last used."""

    @in_worker_unseen
    def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        for statement, times in ((_USER_USED, users), (_SERVER_USED, servers), (_TOKEN_USED, tokens)):
            if times:
                self.connection.execute(statement, [{"row": row, "at": at} for row, at in times.items()])
