"""What the authenticator tells of a person, at sign-in or refresh, taken into the store; and people for plug-ins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from msgspec import Struct

from perijove.hub.core.auth_models import AuthModel, groups_of, info_of, roles_of
from perijove.hub.core.events import AdminChanged, GroupCreated, MembershipChanged, UserCreated
from perijove.hub.core.facts import Fact
from perijove.hub.core.role_events import RoleChanged, RolesChanged
from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.users import User
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import SpawnerUser
from perijove.hub.ports.store import Transaction
from perijove.hub.ports.traits import call_plugin
from perijove.hub.settings.roles import RoleSpec, parse_roles
from perijove.hub.usecases.auth_states import StoredAuthState, auth_state_of, sealed
from perijove.hub.usecases.context import Context

log = structlog.get_logger(__name__)

BY_AUTHENTICATOR: Final = "the authenticator"
ADMIN: Final = DEFAULT_ROLES["admin"].name


class Told(Struct, frozen=True):
    """What an authenticator told of a person, checked.

    Attributes:
        name: normalised.
        admin: whether they are an administrator; None to leave it.
        groups: all groups they are in; None to leave memberships.
        roles: all roles that the authenticator gives them; None to leave these.
        user_info: what everybody may know; None to leave it.
        says_state: whether *state* takes the place of what is kept.
        state: what to keep, encrypted; None to forget it.
    """

    name: str
    admin: bool | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[RoleSpec, ...] | None = None
    user_info: Mapping[str, str] | None = None
    says_state: bool = False
    state: bytes | None = None


async def understood(ctx: Context, authenticator: Authenticator, model: AuthModel, *, refreshed: bool = False) -> Told:
    """Return what *model*, whose name is normalised, says of a person.

    Args:
        ctx: ports.
        authenticator: whose model it is.
        model: what it told.
        refreshed: whether at a refresh, which need not tell everything.

    Raises:
        TypeError, ValueError: it says what it may not; the message says what, and nothing secret.
    """
    method = "refresh_user" if refreshed else "authenticate"
    source = f"{type(authenticator).__name__}.{method}"
    groups = groups_of(model, source, managed=authenticator.manage_groups, required=not refreshed)
    roles = _parsed(ctx, roles_of(model, source, managed=authenticator.manage_roles), source)
    if roles and (where := next((role for role in roles if _has_holders(role)), None)) is not None:
        raise ValueError(f"{source} gave the role {where.name} with holders: only load_managed_roles() may name these")
    if ctx.encryption is None:
        says_state, state = not refreshed, None
    elif authenticator.reconcile_auth_state_hook is not None:
        says_state, state = True, await _reconciled(ctx, authenticator, model)
    else:
        says_state, state = "auth_state" in model, model.get("auth_state")
    return Told(model["name"], model.get("admin"), groups, roles, info_of(model), says_state, sealed(ctx, state))


def _parsed(ctx: Context, told: Sequence[Any] | None, source: str) -> tuple[RoleSpec, ...] | None:
    if told is None:
        return None
    parsed = parse_roles(told, (), ctx.catalogue, option=f"the roles of {source}", managed=True)
    if parsed.mistakes:
        raise ValueError("; ".join(parsed.mistakes[:20]))
    return parsed.roles


def _has_holders(role: RoleSpec) -> bool:
    return not role.users is role.groups is role.services is None


async def _reconciled(ctx: Context, authenticator: Authenticator, model: AuthModel) -> Any:
    async with ctx.store.transaction() as tx:
        user = await tx.users.get(model["name"])
        kept = None if user is None else await auth_state_of(ctx, tx, user.id)
    hook, limit = authenticator.reconcile_auth_state_hook, authenticator.sign_in_timeout
    return await call_plugin(hook, authenticator, model, kept, timeout=limit)


async def take_in(ctx: Context, tx: Transaction, told: Told) -> tuple[User, list[Fact]]:
    """Store what was told of a person, who becomes a user if need be; return them, and what changed."""
    before = await tx.users.get(told.name)
    user, created = await ensure_user(ctx, tx, told.name, admin=told.admin)
    facts: list[Fact] = [UserCreated(user.name, user.name)] if created else []
    if told.groups is not None and told.groups != user.groups:
        facts += await _set_groups(tx, user, told.groups)
    if told.roles is not None:
        facts += await _set_roles(tx, user, told.roles)
    if told.user_info is not None and told.user_info != user.user_info:
        await tx.users.set_user_info(user.id, told.user_info)
    if told.says_state:
        await tx.users.set_auth_state(user.id, told.state)
    now = await tx.users.by_id(user.id) or user
    if now.admin != (before is not None and before.admin):
        facts.append(AdminChanged(now.name, now.admin, BY_AUTHENTICATOR))
    return now, facts


async def _set_groups(tx: Transaction, user: User, names: Sequence[str]) -> list[Fact]:
    groups = dict(await tx.groups.named(names))
    facts: list[Fact] = []
    for name in names:
        if name not in groups:
            groups[name] = await tx.groups.add(name)
            facts.append(GroupCreated(name, BY_AUTHENTICATOR))
    await tx.groups.set_groups(user.id, [groups[name].id for name in names])
    changed = sorted({*names} ^ {*user.groups})
    return [*facts, *(MembershipChanged(name, user.name, name in groups, BY_AUTHENTICATOR) for name in changed)]


async def _set_roles(tx: Transaction, user: User, roles: Sequence[RoleSpec]) -> list[Fact]:
    facts = await make_managed_roles(tx, roles)
    before = {role.name for role in await tx.roles.of("user", user.id)}
    await tx.roles.set_managed("user", user.id, [role.name for role in roles])
    held = {role.name for role in await tx.roles.of("user", user.id)}
    if user.admin != (ADMIN in held):
        await tx.users.set_admin(user.id, ADMIN in held)
    if held != before:
        facts.append(RolesChanged(user.name, ", ".join(sorted(held)), BY_AUTHENTICATOR))
    return facts


async def make_managed_roles(tx: Transaction, roles: Iterable[RoleSpec]) -> list[Fact]:
    """Let roles that the authenticator told of exist; those of the configuration stay as that says."""
    facts: list[Fact] = []
    for spec in roles:
        role = await tx.roles.get(spec.name)
        if role is not None and not role.managed:
            if spec.scopes is not None and set(spec.scopes) != set(role.scopes):
                log.warning(
                    "a role of the authenticator has the name of one that is not its own; that stays", role=spec.name
                )
            continue
        old = role or Role(spec.name, ())
        scopes = old.scopes if spec.scopes is None else spec.scopes
        description = old.description if spec.description is None else spec.description
        new = Role(spec.name, scopes, description, managed=True)
        if new != role:
            await tx.roles.put(new)
        if role is None or role.scopes != scopes:
            facts.append(RoleChanged(spec.name, " ".join(scopes), BY_AUTHENTICATOR))
    return facts


async def ensure_user(ctx: Context, tx: Transaction, name: str, *, admin: bool | None) -> tuple[User, bool]:
    """Return the user called *name*, made if need be, and whether it was made; *admin* None leaves that as it is."""
    user = await tx.users.get(name)
    created = user is None
    if user is None:
        user = await tx.users.add(name, admin=bool(admin), now=ctx.clock.now())
        await tx.roles.assign(DEFAULT_ROLES["user"].name, "user", user.id)
    if admin is not None:
        await set_admin(tx, user, admin)
    refreshed = await tx.users.by_id(user.id)
    return refreshed or user, created


async def set_admin(tx: Transaction, user: User, admin: bool) -> None:
    """Make *user* an administrator or not: the flag and the role go together."""
    await tx.users.set_admin(user.id, admin)
    change = tx.roles.assign if admin else tx.roles.revoke
    await change(ADMIN, "user", user.id)


async def for_plugins(ctx: Context, tx: Transaction, user: User) -> SpawnerUser:
    """Return *user* as plug-ins see them."""
    groups = await tx.groups.named(user.groups) if user.groups else {}
    return SpawnerUser(
        user.id,
        user.name,
        user.admin,
        tuple(groups[name] for name in user.groups if name in groups),
        user.user_info,
        StoredAuthState(ctx, user.id),
    )
