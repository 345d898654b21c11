"""Groups and their members."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from perijove.hub.core.groups import Group
from perijove.hub.core.paging import Page, Window


class GroupQuery(Struct, frozen=True):
    """Which groups to list, and in which order.

    Attributes:
        window: which part.
        names: only these, if not None (what the caller may see).
        name_filter: only names holding this text, whatever the case of its ASCII letters; ``%`` and ``_`` mean
            themselves.
        by_name: sorted by name in place of id.
    """

    window: Window
    names: frozenset[str] | None = None
    name_filter: str = ""
    by_name: bool = False


class Groups(Protocol):
    """Groups by name and id, and their members."""

    async def get(self, name: str) -> Group | None:
        """Return the group called *name*."""
        ...

    async def by_id(self, group_id: int) -> Group | None:
        """Return the group with that id."""
        ...

    async def named(self, names: Collection[str]) -> Mapping[str, Group]:
        """Return those of these groups that exist, by name."""
        ...

    async def list(self, query: GroupQuery) -> Page[Group]:
        """Return the groups that *query* asks for, and how many there are in all."""
        ...

    async def add(self, name: str) -> Group:
        """Store a new group without members. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def delete(self, group_id: int) -> None:
        """Delete the group with its memberships, role assignments and shares."""
        ...

    async def set_properties(self, group_id: int, properties: Mapping[str, object]) -> None:
        """Replace its properties. Raises PerijoveError INVALID for what JSON cannot hold."""
        ...

    async def add_members(self, group_id: int, user_ids: Collection[int]) -> None:
        """Add users; nothing happens to those who are members. Raises PerijoveError CONFLICT if one does not exist."""
        ...

    async def remove_members(self, group_id: int, user_ids: Collection[int]) -> None:
        """Remove users; nothing happens to those who are not members."""
        ...

    async def set_members(self, group_id: int, user_ids: Collection[int]) -> None:
        """Make these the only members. Raises PerijoveError CONFLICT if one does not exist."""
        ...

    async def set_groups(self, user_id: int, group_ids: Collection[int]) -> None:
        """Make these the only groups of a user. Raises PerijoveError CONFLICT if one does not exist."""
        ...

    async def members(self, group_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Return the names of the members of each of these groups, sorted, by id of the group."""
        ...

    async def count_members(self, group_ids: Collection[int]) -> Mapping[int, int]:
        """Return how many members each of these groups has, by id of the group."""
        ...

    async def groups_of(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Return the names of the groups of each of these users, sorted, by id of the user."""
        ...
