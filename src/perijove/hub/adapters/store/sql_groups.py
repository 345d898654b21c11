"""Groups and their members in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Select, delete, func, select, update

from perijove.hub.adapters.store.dialects import MAX_ID, insert_each, position, within
from perijove.hub.adapters.store.tables import groups, memberships, users
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.groups import Group
from perijove.hub.core.paging import Page
from perijove.hub.ports.store import GroupQuery

_GROUP: Final = select(groups.c.id, groups.c.name, groups.c.properties)


class SqlGroups(Repository):
    """Groups."""

    @in_worker
    def get(self, name: str) -> Group | None:
        row = self.connection.execute(_GROUP.where(groups.c.name == name)).one_or_none()
        return None if row is None else Group(*row)

    @in_worker
    def by_id(self, group_id: int) -> Group | None:
        if group_id > MAX_ID:
            return None
        row = self.connection.execute(_GROUP.where(groups.c.id == group_id)).one_or_none()
        return None if row is None else Group(*row)

    @in_worker
    def named(self, names: Collection[str]) -> Mapping[str, Group]:
        found = _GROUP.where(within(groups.c.name, names)).order_by(groups.c.id)
        return {row.name: Group(*row) for row in self.connection.execute(found)}

    @in_worker
    def list(self, query: GroupQuery) -> Page[Group]:
        conditions = [] if query.names is None else [within(groups.c.name, query.names)]
        if query.name_filter:
            conditions.append(position(func.lower(groups.c.name), query.name_filter.lower()) > 0)
        total = self.connection.scalar(select(func.count()).select_from(groups).where(*conditions)) or 0
        page = (
            _GROUP.where(*conditions)
            .order_by(groups.c.name if query.by_name else groups.c.id)
            .limit(min(query.window.limit, MAX_ID))
            .offset(min(query.window.offset, MAX_ID))
        )
        return Page([Group(*row) for row in self.connection.execute(page)], query.window, total)

    @in_worker
    def add(self, name: str) -> Group:
        return Group(self.insert(groups, {"name": name, "properties": {}}), name)

    @in_worker
    def delete(self, group_id: int) -> None:
        self.connection.execute(delete(groups).where(groups.c.id == group_id))

    @in_worker
    def set_properties(self, group_id: int, properties: Mapping[str, object]) -> None:
        self.connection.execute(update(groups).where(groups.c.id == group_id).values(properties=dict(properties)))

    @in_worker
    def add_members(self, group_id: int, user_ids: Collection[int]) -> None:
        self._add(memberships.c.user_id, user_ids, {memberships.c.group_id: group_id})

    @in_worker
    def remove_members(self, group_id: int, user_ids: Collection[int]) -> None:
        self.connection.execute(
            delete(memberships).where(memberships.c.group_id == group_id, within(memberships.c.user_id, user_ids))
        )

    @in_worker
    def set_members(self, group_id: int, user_ids: Collection[int]) -> None:
        self.connection.execute(
            delete(memberships).where(memberships.c.group_id == group_id, ~within(memberships.c.user_id, user_ids))
        )
        self._add(memberships.c.user_id, user_ids, {memberships.c.group_id: group_id})

    @in_worker
    def set_groups(self, user_id: int, group_ids: Collection[int]) -> None:
        self.connection.execute(
            delete(memberships).where(memberships.c.user_id == user_id, ~within(memberships.c.group_id, group_ids))
        )
        self._add(memberships.c.group_id, group_ids, {memberships.c.user_id: user_id})

    def _add(self, each: Column[Any], ids: Collection[int], other: Mapping[Column[Any], int]) -> None:
        """Add memberships; those there are stay."""
        if ids:
            self.connection.execute(insert_each(self.connection, each, ids, other).on_conflict_do_nothing())

    @in_worker
    def members(self, group_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        held = (
            select(memberships.c.group_id, users.c.name)
            .join(users, users.c.id == memberships.c.user_id)
            .where(within(memberships.c.group_id, group_ids))
        )
        return self._by_id(group_ids, held)

    @in_worker
    def count_members(self, group_ids: Collection[int]) -> Mapping[int, int]:
        counted = (
            select(memberships.c.group_id, func.count())
            .where(within(memberships.c.group_id, group_ids))
            .group_by(memberships.c.group_id)
        )
        found = {row[0]: row[1] for row in self.connection.execute(counted)}
        return dict.fromkeys(group_ids, 0) | found

    @in_worker
    def groups_of(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        held = (
            select(memberships.c.user_id, groups.c.name)
            .join(groups, groups.c.id == memberships.c.group_id)
            .where(within(memberships.c.user_id, user_ids))
        )
        return self._by_id(user_ids, held)

    def _by_id(self, ids: Collection[int], held: Select[Any]) -> Mapping[int, Sequence[str]]:
        found: dict[int, list[str]] = {each: [] for each in ids}
        for each, name in self.connection.execute(held):
            found[each].append(name)
        # Sorted here, because a database may sort texts by its own rules.
        return {each: sorted(names) for each, names in found.items()}
