"""Roles and who has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from perijove.hub.core.paging import Page, Window
from perijove.hub.core.roles import HolderKind, Role


class Roles(Protocol):
    """Roles and who has them."""

    async def get(self, name: str) -> Role | None:
        """Return the role called *name*."""
        ...

    async def list(self) -> Sequence[Role]:
        """Return all roles by name."""
        ...

    async def put(self, role: Role) -> None:
        """Store the role in place of the one of its name; who has it keeps it."""
        ...

    async def replace_all(self, roles: Sequence[Role]) -> None:
        """Make these the only roles beside managed and custom ones of other names.

        Assignments to those that go, go too.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete a role with all assignments to it; nothing happens if there is none."""
        ...

    async def of(self, kind: HolderKind, holder_id: int) -> Sequence[Role]:
        """Return the roles given to a user, group or service itself, by name."""
        ...

    async def effective_of_user(self, user_id: int) -> Sequence[Role]:
        """Return the roles of a user, those through groups included, each once, by name; one statement."""
        ...

    async def names_of(self, kind: HolderKind, holder_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Return the names of the roles given to each of these users, groups or services itself, by id."""
        ...

    async def count_holders(self) -> Mapping[str, Mapping[HolderKind, int]]:
        """Return how many of each kind hold each role themselves, by name of the role; zeros are left out."""
        ...

    async def holders(self, role: str, kind: HolderKind, window: Window) -> Page[str]:
        """Return the names of those of one kind who were given a role themselves, sorted."""
        ...

    async def assign(self, role: str, kind: HolderKind, holder_id: int, *, managed: bool = False) -> None:
        """Give a role; nothing happens if it is held. Raises PerijoveError CONFLICT if there is no such role or holder.

        Args:
            role: its name.
            kind: of the holder.
            holder_id: of the holder.
            managed: whether the authenticator gives it.
        """
        ...

    async def assign_all(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        """Give a role to all of these, in one statement; see `assign`."""
        ...

    async def revoke(self, role: str, kind: HolderKind, holder_id: int) -> None:
        """Take a role away, whoever gave it; nothing happens if it is not held."""
        ...

    async def set_holders(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        """Make these the only holders of that kind, beside those to whom the authenticator gave it."""
        ...

    async def set_managed(self, kind: HolderKind, holder_id: int, roles: Collection[str]) -> None:
        """Make these the only roles that the authenticator gives to a holder; what is held otherwise stays as it is.

        Raises PerijoveError CONFLICT if there is no such role or holder.
        """
        ...

    async def delete_managed(self) -> None:
        """Delete every managed role, and every assignment by the authenticator."""
        ...
