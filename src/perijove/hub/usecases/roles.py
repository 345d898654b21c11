"""Roles: which there are and who holds them; made, changed, given and deleted by administrators.

What the configuration or the authenticator says of roles is theirs to change: see `core.roles`. What administrators say
here allows nobody more than whoever says it may do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError, conflict, forbidden, invalid, not_found
from perijove.hub.core.events import AdminChanged
from perijove.hub.core.facts import Fact
from perijove.hub.core.names import normalize_group_name, normalize_user_name, shorten, validate_role_name
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.role_events import RoleChanged, RoleDeleted, RoleHolderChanged
from perijove.hub.core.roles import HolderKind, Role, why_fixed, why_holders_fixed
from perijove.hub.core.users import User
from perijove.hub.ports.store import Transaction
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.scopes import wrong_scope
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.gifts import beyond_reach, is_boundless, require_boundless
from perijove.hub.usecases.people import ADMIN, set_admin

READERS: Final[Mapping[HolderKind, str]] = {
    "user": "read:roles:users",
    "group": "read:roles:groups",
    "service": "read:roles:services",
}
"""What must be held, without a limit, to see the holders of each kind."""

MAKERS: Final = "admin:users"
"""What must be held to change anything here, beside being an administrator with all that they may do."""

MAX_SCOPES: Final = 200
MAX_SCOPE: Final = 1024
MAX_DESCRIPTION: Final = 1023
MAX_HOLDERS_AT_ONCE: Final = 10_000


class RoleSummary(Struct, frozen=True):
    """A role and how many hold it, of the kinds that the caller may see."""

    role: Role
    holders: Mapping[HolderKind, int]


class RoleView(Struct, frozen=True):
    """A role and who holds it, of the kinds that the caller may see.

    Attributes:
        role: the role.
        holders: a part of those who hold it, by kind.
        fixed: why nobody can change it here; empty if administrators can.
        holders_fixed: likewise, why nobody can give it to holders of each kind.
    """

    role: Role
    holders: Mapping[HolderKind, Page[str]]
    fixed: str
    holders_fixed: Mapping[HolderKind, str]


class Roles:
    """What can be done with roles.

    Args:
        ctx: ports.
        specs: the roles of the configuration.
    """

    def __init__(self, ctx: Context, specs: Sequence[RoleSpec] = ()) -> None:
        self._ctx = ctx
        self._listed = {spec.name: _listed(spec) for spec in specs}

    async def list(self, principal: Principal) -> Sequence[RoleSummary]:
        """Return all roles by name. Raises PerijoveError FORBIDDEN."""
        kinds = _kinds(principal)
        async with self._ctx.store.transaction() as tx:
            roles, counts = await tx.roles.list(), await tx.roles.count_holders()
        return [
            RoleSummary(role, {kind: counts.get(role.name, {}).get(kind, 0) for kind in kinds})
            for role in sorted(roles, key=lambda role: role.name)
        ]

    async def get(self, principal: Principal, name: str, window: Window) -> RoleView:
        """Return a role with a part of its holders of each kind. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
        kinds = _kinds(principal)
        async with self._ctx.store.transaction() as tx:
            role = await _existing(tx, name)
            holders = {kind: await tx.roles.holders(name, kind, window) for kind in kinds}
        fixed = {kind: self._why_holders_fixed(role, kind) for kind in kinds}
        return RoleView(role, holders, why_fixed(role), fixed)

    def _why_holders_fixed(self, role: Role, kind: HolderKind) -> str:
        return why_holders_fixed(role, kind, self._listed.get(role.name, ()))

    async def may_change(self, principal: Principal) -> bool:
        """Say whether the caller may make, change and give roles."""
        async with self._ctx.store.transaction() as tx:
            return principal.may(MAKERS) and await is_boundless(self._ctx, tx, principal)

    async def create(self, principal: Principal, name: str, description: str, scopes: Iterable[str]) -> Role:
        """Make a role that stays until it is deleted, and return it.

        Raises:
            PerijoveError: FORBIDDEN, also for scopes that the caller does not hold; INVALID for a name or for scopes
                that are none; CONFLICT if there is a role of that name.
        """
        principal.require(MAKERS)
        role = self._read(Role(validate_role_name(name), tuple(dict.fromkeys(scopes)), description, custom=True))
        async with self._ctx.store.transaction() as tx:
            await require_boundless(self._ctx, tx, principal, "make roles")
            if await tx.roles.get(name) is not None:
                raise conflict(f"Role {name} already exists")
            await self._check_gift(tx, principal, role.scopes)
            await tx.roles.put(role)
        self._ctx.telemetry.emit(RoleChanged(name, " ".join(role.scopes), principal.name))
        return role

    async def change(self, principal: Principal, name: str, description: str, scopes: Iterable[str]) -> Role:
        """Give a role another description and other scopes, and return it.

        Raises:
            PerijoveError: FORBIDDEN, also for scopes that are new and not held by the caller; NOT_FOUND; INVALID for
                scopes that are none; NOT_ALLOWED for a role that is not the administrators'.
        """
        principal.require(MAKERS)
        async with self._ctx.store.transaction() as tx:
            await require_boundless(self._ctx, tx, principal, "change roles")
            before = await _existing(tx, name)
            _refuse(why_fixed(before))
            role = self._read(replace(before, scopes=tuple(dict.fromkeys(scopes)), description=description))
            await self._check_gift(tx, principal, set(role.scopes) - set(before.scopes))
            await tx.roles.put(role)
        if role != before:
            self._ctx.telemetry.emit(RoleChanged(name, " ".join(role.scopes), principal.name))
        return role

    def _read(self, role: Role) -> Role:
        """Return *role*. Raises PerijoveError INVALID if it cannot be one."""
        if len(role.scopes) > MAX_SCOPES or any(len(scope) > MAX_SCOPE for scope in role.scopes):
            raise invalid(f"A role has at most {MAX_SCOPES} scopes, each of at most {MAX_SCOPE} characters")
        if len(role.description) > MAX_DESCRIPTION:
            raise invalid(f"The description is longer than {MAX_DESCRIPTION} characters")
        wrong = [text for scope in role.scopes for text in wrong_scope(scope, self._ctx.catalogue)]
        if mistakes := "; ".join(wrong[:5]):
            raise invalid(mistakes)
        return role

    async def _check_gift(self, tx: Transaction, principal: Principal, scopes: Iterable[str]) -> None:
        """Refuse to let anybody do what the caller may not do. Raises PerijoveError FORBIDDEN."""
        if missing := await beyond_reach(self._ctx, tx, principal, scopes):
            raise forbidden(f"You may not do this yourself, and so not allow it: {', '.join(map(str, missing[:5]))}")

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a role; everybody loses it.

        Raises:
            PerijoveError: FORBIDDEN; NOT_FOUND; NOT_ALLOWED for a role that is not the administrators'.
        """
        principal.require(MAKERS)
        async with self._ctx.store.transaction() as tx:
            await require_boundless(self._ctx, tx, principal, "delete roles")
            _refuse(why_fixed(await _existing(tx, name)))
            await tx.roles.delete(name)
        self._ctx.telemetry.emit(RoleDeleted(name, principal.name))

    async def change_holders(
        self, principal: Principal, name: str, kind: HolderKind, names: Collection[str], *, held: bool
    ) -> None:
        """Give a role to users, groups or services, or take it away. It is no error if it is so already.

        Args:
            principal: whoever asks.
            name: of the role.
            kind: of the holders.
            names: of the holders.
            held: whether they shall hold it.

        Raises:
            PerijoveError: FORBIDDEN, also for a role that allows more than the caller may do; NOT_FOUND; INVALID for
                holders that do not exist, all of them named, and for taking the role admin from oneself; NOT_ALLOWED
                where the configuration or the authenticator says who holds it.
        """
        principal.require(MAKERS)
        if len(names) > MAX_HOLDERS_AT_ONCE:
            raise invalid(f"At most {MAX_HOLDERS_AT_ONCE} at once")
        async with self._ctx.store.transaction() as tx:
            await require_boundless(self._ctx, tx, principal, "give roles")
            role = await _existing(tx, name)
            _refuse(self._why_holders_fixed(role, kind))
            if held:
                await self._check_gift(tx, principal, role.scopes)
            found = await _found(tx, kind, names)
            have = await tx.roles.names_of(kind, list(found.values()))
            changed = {each: id_ for each, id_ in found.items() if (name in have[id_]) is not held}
            facts = await _hold(tx, principal, role, kind, changed, held)
        for fact in facts:
            self._ctx.telemetry.emit(fact)


async def _hold(
    tx: Transaction, principal: Principal, role: Role, kind: HolderKind, ids: Mapping[str, int], held: bool
) -> list[Fact]:
    """Give *role* to these, or take it away, and return the facts."""
    if role.name == ADMIN and kind == "user":
        return await _make_administrators(tx, principal, ids, held)
    if held:
        await tx.roles.assign_all(role.name, kind, list(ids.values()))
    else:
        for id_ in ids.values():
            await tx.roles.revoke(role.name, kind, id_)
    return [RoleHolderChanged(role.name, kind, each, held, principal.name) for each in ids]


async def _make_administrators(
    tx: Transaction, principal: Principal, ids: Mapping[str, int], admin: bool
) -> list[Fact]:
    if not admin and principal.user_id in ids.values():
        raise invalid("You cannot take the role admin from yourself; another administrator can")
    users: Mapping[str, User] = await tx.users.named(list(ids))
    for user in users.values():
        await set_admin(tx, user, admin)
    return [AdminChanged(name, admin, principal.name) for name in ids]


async def _found(tx: Transaction, kind: HolderKind, names: Collection[str]) -> Mapping[str, int]:
    """Return the ids of these users, groups or services, by name.

    Raises:
        PerijoveError: INVALID, naming those that do not exist.
    """
    wanted: Collection[str] = dict.fromkeys(names)
    found: Mapping[str, int]
    if kind == "user":
        wanted = dict.fromkeys(map(normalize_user_name, names))
        found = {name: user.id for name, user in (await tx.users.named(wanted)).items()}
    elif kind == "group":
        wanted = dict.fromkeys(map(normalize_group_name, names))
        found = {name: group.id for name, group in (await tx.groups.named(wanted)).items()}
    else:
        found = {service.name: service.id for service in await tx.services.list() if service.name in wanted}
    if missing := [shorten(name) for name in wanted if name not in found]:
        raise invalid(f"No such {kind}: {', '.join(map(repr, missing[:20]))}")
    return found


def _listed(spec: RoleSpec) -> frozenset[HolderKind]:
    """Return the kinds of which *spec* lists all holders."""
    said: Mapping[HolderKind, object] = {"user": spec.users, "group": spec.groups, "service": spec.services}
    return frozenset(kind for kind, names in said.items() if names is not None)


async def _existing(tx: Transaction, name: str) -> Role:
    role = await tx.roles.get(name)
    if role is None:
        raise not_found(f"There is no role {shorten(name)!r}")
    return role


def _refuse(why: str) -> None:
    if why:
        raise PerijoveError(Code.NOT_ALLOWED, why)


def _kinds(principal: Principal) -> Sequence[HolderKind]:
    """Return of which kinds the caller may see all holders. Raises PerijoveError FORBIDDEN if of none."""
    kinds: list[HolderKind] = [kind for kind, scope in READERS.items() if principal.may(scope)]
    if not kinds:
        principal.require("read:roles")
    return kinds
