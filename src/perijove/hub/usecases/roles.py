"""Roles: which there are, and who holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perijove.hub.core.errors import not_found
from perijove.hub.core.names import shorten
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import Role
from perijove.hub.ports.store import HolderKind
from perijove.hub.usecases.context import Context

READERS: Final[Mapping[HolderKind, str]] = {
    "user": "read:roles:users",
    "group": "read:roles:groups",
    "service": "read:roles:services",
}
"""What must be held, without a limit, to see the holders of each kind."""


@dataclass(frozen=True, slots=True)
class RoleSummary:
    """A role and how many hold it, of the kinds that the caller may see."""

    role: Role
    holders: Mapping[HolderKind, int]


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role and who holds it, of the kinds that the caller may see."""

    role: Role
    holders: Mapping[HolderKind, Page[str]]


def _kinds(principal: Principal) -> Sequence[HolderKind]:
    """Return of which kinds the caller may see all holders. Raises PerijoveError FORBIDDEN if of none."""
    kinds: list[HolderKind] = [kind for kind, scope in READERS.items() if principal.may(scope)]
    if not kinds:
        principal.require("read:roles")
    return kinds


async def list_roles(ctx: Context, principal: Principal) -> Sequence[RoleSummary]:
    """Return all roles by name. Raises PerijoveError FORBIDDEN."""
    kinds = _kinds(principal)
    async with ctx.store.transaction() as tx:
        roles, counts = await tx.roles.list(), await tx.roles.count_holders()
    return [
        RoleSummary(role, {kind: counts.get(role.name, {}).get(kind, 0) for kind in kinds})
        for role in sorted(roles, key=lambda role: role.name)
    ]


async def get_role(ctx: Context, principal: Principal, name: str, window: Window) -> RoleView:
    """Return a role with a part of its holders of each kind. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    kinds = _kinds(principal)
    async with ctx.store.transaction() as tx:
        role = await tx.roles.get(name)
        if role is None:
            raise not_found(f"There is no role {shorten(name)!r}")
        return RoleView(role, {kind: await tx.roles.holders(name, kind, window) for kind in kinds})
