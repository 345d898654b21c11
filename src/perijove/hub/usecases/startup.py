"""What the configuration says must exist, put into the store before the hub opens its door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence

import structlog
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.events import (
    AdminChanged,
    GroupCreated,
    GroupPropertiesChanged,
    MembershipChanged,
    UserCreated,
    UserDeleted,
)
from perijove.hub.core.facts import Fact
from perijove.hub.core.paging import Window
from perijove.hub.core.role_events import RoleChanged, RoleDeleted
from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.servers import Event, State, after
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.core.users import User
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.store import Transaction, UserQuery
from perijove.hub.ports.traits import call_plugin
from perijove.hub.settings.groups import GroupSpec
from perijove.hub.settings.roles import RoleSpec, parse_roles
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.settings.tokens import TokenSpec
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.oauth import put_service_client
from perijove.hub.usecases.people import ADMIN, BY_AUTHENTICATOR, ensure_user, make_managed_roles, set_admin

log = structlog.get_logger(__name__)
BY_CONFIGURATION = "the configuration"
CONFIG_TOKEN_NOTE = "From the configuration file"


async def apply_configuration(
    ctx: Context,
    authenticator: Authenticator,
    services: Sequence[ServiceSpec],
    roles: Sequence[RoleSpec],
    tokens: Sequence[TokenSpec] = (),
    groups: Sequence[GroupSpec] = (),
    *,
    site: Site,
) -> None:
    """Bring users, services, groups and roles of the configuration, and of the authenticator, into the store.

    All of it in one transaction.

    Args:
        ctx: ports.
        authenticator: names users and administrators.
        services: the services; those that sign people in have a token each.
        roles: roles to make or change.
        tokens: further tokens.
        groups: groups to make or change.
        site: where browsers find the services.

    Raises:
        PerijoveError: INVALID, if a token of the configuration belongs to somebody else, or if the authenticator gives
            roles that are none; UNAVAILABLE, if it does not give them.
    """
    managed = await managed_roles(ctx, authenticator, [spec.name for spec in services])
    async with ctx.store.transaction() as tx:
        wanted = merged_roles(roles)
        facts: list[Fact] = _role_changes(await tx.roles.list(), wanted)
        await tx.roles.replace_all(wanted)
        for name in sorted(authenticator.allowed_users | authenticator.admin_users):
            before = await tx.users.get(name)
            user, _ = await ensure_user(ctx, tx, name, admin=True if name in authenticator.admin_users else None)
            facts += _user_changes(before, user)
            if user.admin:
                await set_admin(tx, user, True)
        for group in groups:
            facts += await _group(ctx, tx, group)
        own = [TokenSpec("service", spec.name, spec.api_token) for spec in services if spec.api_token]
        await _services(tx, services, [*own, *(token for token in tokens if token.owner_kind == "service")])
        await _clients(ctx, tx, services, site)
        for token in (*own, *tokens):
            await _give_token(ctx, tx, token)
        for spec in roles:
            await _holders(ctx, tx, spec, authenticator.admin_users)
        facts += await _give_managed(ctx, tx, managed, reset=authenticator.reset_managed_roles_on_startup)
        facts += await _invalid_users(ctx, tx, authenticator)
        # Last, because blocked beats everything that was given above.
        for name in sorted(authenticator.blocked_users):
            if (blocked := await tx.users.get(name)) is not None:
                await _shut_out(ctx, tx, blocked)
                facts += [AdminChanged(name, False, BY_CONFIGURATION)] if blocked.admin else []
    for fact in facts:
        ctx.telemetry.emit(fact)


def _role_changes(before: Iterable[Role], wanted: Sequence[Role]) -> list[Fact]:
    """Return what is different in *wanted*; the default roles are no news in an empty store.

    Roles of the authenticator, and those that administrators made, are not the configuration's to delete.
    """
    names = {role.name for role in wanted}
    old = {role.name: role.scopes for role in before if role.name in names or not (role.managed or role.custom)}
    new = {role.name: role.scopes for role in wanted}
    known = old or {name: role.scopes for name, role in DEFAULT_ROLES.items()}
    changed = [RoleChanged(name, " ".join(new[name]), BY_CONFIGURATION) for name in new if known.get(name) != new[name]]
    return [*changed, *(RoleDeleted(name, BY_CONFIGURATION) for name in old if name not in new)]


def _user_changes(before: User | None, user: User) -> list[Fact]:
    changes: list[Fact] = [] if before else [UserCreated(user.name, BY_CONFIGURATION)]
    if user.admin != (before is not None and before.admin):
        changes.append(AdminChanged(user.name, user.admin, BY_CONFIGURATION))
    return changes


async def _shut_out(ctx: Context, tx: Transaction, user: User) -> None:
    """Take from a blocked user everything that still gives access: rights, sessions, tokens and servers."""
    await set_admin(tx, user, False)
    for role in await tx.roles.of("user", user.id):
        # This one goes to every user once, when they come into being, and allows nothing without a session or token.
        if role.name != DEFAULT_ROLES["user"].name:
            await tx.roles.revoke(role.name, "user", user.id)
    await tx.groups.set_groups(user.id, [])
    await tx.sessions.delete_all_of(user.id)
    for token in await tx.tokens.list_of("user", user.id):
        await tx.tokens.delete(token.id)
    now = ctx.clock.now()
    for server in await tx.servers.list_of([user.id]):
        if server.active and server.state is not State.STOPPING:
            await tx.servers.save(replace(after(server, Event.STOP_REQUESTED, now), requested=now))


def merged_roles(specs: Sequence[RoleSpec]) -> list[Role]:
    """Return the default roles with those of the configuration added or in their place."""
    roles = dict(DEFAULT_ROLES)
    for spec in specs:
        default = roles.get(spec.name)
        scopes, description = (default.scopes, default.description) if default else ((), "")
        if spec.scopes is not None:
            scopes = spec.scopes
        if spec.description is not None:
            description = spec.description
        roles[spec.name] = Role(spec.name, scopes, description)
    return list(roles.values())


async def _group(ctx: Context, tx: Transaction, spec: GroupSpec) -> list[Fact]:
    """Let the group exist with these properties, and these users in it; who is in it otherwise stays."""
    facts: list[Fact] = []
    group = await tx.groups.get(spec.name)
    if group is None:
        group = await tx.groups.add(spec.name)
        facts.append(GroupCreated(group.name, BY_CONFIGURATION))
    if spec.properties is not None and dict(spec.properties) != dict(group.properties):
        await tx.groups.set_properties(group.id, spec.properties)
        facts.append(GroupPropertiesChanged(group.name, BY_CONFIGURATION))
    joining = []
    for name in spec.users:
        user, created = await ensure_user(ctx, tx, name, admin=None)
        facts += [UserCreated(name, BY_CONFIGURATION)] if created else []
        if group.name not in user.groups:
            joining.append(user.id)
            facts.append(MembershipChanged(group.name, name, True, BY_CONFIGURATION))
    await tx.groups.add_members(group.id, joining)
    return facts


async def _services(tx: Transaction, specs: Sequence[ServiceSpec], tokens: Sequence[TokenSpec]) -> None:
    """Make these services, and those that have tokens only, the services of the configuration."""
    listed = {spec.name: spec for spec in specs}
    wanted: dict[str, set[str]] = {name: set() for name in listed}
    for token in tokens:
        wanted.setdefault(token.owner_name, set()).add(hash_token(token.token))
    names = sorted(wanted)
    await tx.services.keep_only(names)
    for name in names:
        service = await tx.services.put(listed.get(name, ServiceSpec(name)).as_service(from_config=True))
        change = tx.roles.assign if service.admin else tx.roles.revoke
        await change(DEFAULT_ROLES["admin"].name, "service", service.id)
        # All old tokens go before a new one comes: two services may have exchanged theirs.
        for held in await tx.tokens.list_of("service", service.id):
            if held.token_hash not in wanted[name]:
                await tx.tokens.delete(held.id)


async def _clients(ctx: Context, tx: Transaction, specs: Sequence[ServiceSpec], site: Site) -> None:
    """Give the services of the configuration the OAuth clients that it says, and no others."""
    wanted = {spec.name: spec for spec in specs if spec.has_client}
    ids = {spec.client_id for spec in wanted.values()}
    services = await tx.services.list()
    # All old clients go before a new one comes: two services may have exchanged their ids. What was made while the hub
    # ran gives way to the configuration.
    for service in services:
        held = await tx.oauth.client_of_service(service.id)
        if held is None:
            continue
        kept = held.client_id not in ids if not service.from_config else service.name in wanted
        if not kept or (service.from_config and held.client_id != service.client_id):
            await tx.oauth.delete_client_of_service(service.id)
    for service in services:
        if service.from_config and service.name in wanted:
            await put_service_client(ctx, tx, service, secret=wanted[service.name].api_token, site=site)


async def _give_token(ctx: Context, tx: Transaction, spec: TokenSpec) -> None:
    owner: User | Service | None
    if spec.owner_kind == "user":
        owner, _ = await ensure_user(ctx, tx, spec.owner_name, admin=None)
    else:
        owner = await tx.services.get(spec.owner_name)
    held = await tx.tokens.by_hash(hash_token(spec.token))
    if owner is None or (held is not None and (held.owner_kind, held.owner_id) == (spec.owner_kind, owner.id)):
        return
    if held is not None:
        raise invalid(
            f"The configuration gives the {spec.owner_kind} {spec.owner_name} a token that is one of the "
            f"{held.owner_kind} {held.owner_name} already. Make a new one (openssl rand -hex 32)."
        )
    await tx.tokens.add(
        Token(
            id=0,
            token_hash=hash_token(spec.token),
            owner_kind=spec.owner_kind,
            owner_id=owner.id,
            owner_name=owner.name,
            scopes=("inherit",),
            created=ctx.clock.now(),
            note=CONFIG_TOKEN_NOTE,
        )
    )


async def _holders(ctx: Context, tx: Transaction, spec: RoleSpec, admin_users: Collection[str]) -> None:
    """Give a configured role to exactly whom the configuration lists, for the kinds that it lists at all."""
    is_admin = spec.name == DEFAULT_ROLES["admin"].name
    if spec.users is not None:
        names = sorted({*spec.users, *(admin_users if is_admin else ())})
        users = [(await ensure_user(ctx, tx, name, admin=True if is_admin else None))[0] for name in names]
        if is_admin:
            await _no_other_administrators(tx, {user.id for user in users})
        await tx.roles.set_holders(spec.name, "user", [user.id for user in users])
    if spec.groups is not None:
        groups = [await tx.groups.get(name) or await tx.groups.add(name) for name in spec.groups]
        await tx.roles.set_holders(spec.name, "group", [group.id for group in groups])
    if spec.services is not None:
        services = [service for name in spec.services if (service := await tx.services.get(name)) is not None]
        await tx.roles.set_holders(spec.name, "service", [service.id for service in services])


async def managed_roles(ctx: Context, authenticator: Authenticator, services: Collection[str]) -> tuple[RoleSpec, ...]:
    """Return the roles that the authenticator gives at the start of the hub.

    Raises:
        PerijoveError: INVALID, if they are none, or if the options do not go together; UNAVAILABLE, if it fails.
    """
    source = f"{type(authenticator).__name__}.load_managed_roles"
    if not authenticator.manage_roles:
        if authenticator.reset_managed_roles_on_startup:
            raise invalid(
                "c.Authenticator.reset_managed_roles_on_startup is for roles of the authenticator: "
                "set c.Authenticator.manage_roles = True too"
            )
        return ()
    try:
        told = await call_plugin(authenticator.load_managed_roles, timeout=authenticator.sign_in_timeout)
    except Exception:
        log.exception("the authenticator failed", source=source)
        raise PerijoveError(Code.UNAVAILABLE, f"{source} failed or did not answer; the log says why") from None
    if not isinstance(told, (list, tuple)):
        raise invalid(f"{source} gave a {type(told).__name__}: it must give a list of roles")
    parsed = parse_roles(told, services, ctx.catalogue, option=f"{source}()", managed=True)
    if parsed.mistakes:
        raise invalid("; ".join(parsed.mistakes))
    return parsed.roles


async def _give_managed(ctx: Context, tx: Transaction, roles: Sequence[RoleSpec], *, reset: bool) -> list[Fact]:
    """Make and give the roles of the authenticator; with *reset*, none of its earlier ones are left."""
    before = {role.name: role.scopes for role in await tx.roles.list() if role.managed}
    if reset:
        await tx.roles.delete_managed()
    made = await make_managed_roles(tx, roles)
    for spec in roles:
        await _managed_holders(ctx, tx, spec)
    if not reset:
        return made
    async for user in _all_users(tx):
        if user.admin and all(role.name != ADMIN for role in await tx.roles.of("user", user.id)):
            await tx.users.set_admin(user.id, False)
    now = {role.name: role.scopes for role in await tx.roles.list() if role.managed}
    changed = [name for name in now if before.get(name) != now[name]]
    return [
        *(RoleChanged(name, " ".join(now[name]), BY_AUTHENTICATOR) for name in changed),
        *(RoleDeleted(name, BY_AUTHENTICATOR) for name in before if name not in now),
    ]


async def _managed_holders(ctx: Context, tx: Transaction, spec: RoleSpec) -> None:
    """Give a role of the authenticator to whom that says, beside those who have it."""
    for name in spec.users or ():
        user, _ = await ensure_user(ctx, tx, name, admin=None)
        await tx.roles.assign(spec.name, "user", user.id, managed=True)
        if spec.name == ADMIN:
            await tx.users.set_admin(user.id, True)
    for name in spec.groups or ():
        group = await tx.groups.get(name) or await tx.groups.add(name)
        await tx.roles.assign(spec.name, "group", group.id, managed=True)
    for name in spec.services or ():
        if (service := await tx.services.get(name)) is not None:
            await tx.roles.assign(spec.name, "service", service.id, managed=True)


async def _invalid_users(ctx: Context, tx: Transaction, authenticator: Authenticator) -> list[Fact]:
    """Delete, or only tell of, users whose name the authenticator does not allow."""
    facts: list[Fact] = []
    if not authenticator.username_pattern and type(authenticator).validate_username is Authenticator.validate_username:
        return facts
    async for user in _all_users(tx):
        if user.remove_wanted or authenticator.validate_username(user.name):
            continue
        if not authenticator.delete_invalid_users:
            log.warning(
                "the authenticator does not allow this user's name: set c.Authenticator.delete_invalid_users = True to "
                "delete such users at the start",
                user=user.name,
            )
            continue
        # What runs is stopped first, and what spawners keep is deleted, once the hub has taken up its work.
        await _shut_out(ctx, tx, user)
        await tx.users.want_removal(user.id, True)
        for server in await tx.servers.list_of([user.id]):
            await tx.servers.save(replace(server, remove_wanted=True, version=server.version + 1))
        facts.append(UserDeleted(user.name, BY_CONFIGURATION))
    return facts


async def _all_users(tx: Transaction) -> AsyncIterator[User]:
    users: list[User] = []
    window: Window | None = Window(0, 1000)
    while window is not None:
        page = await tx.users.list(UserQuery(window))
        users += page.items
        window = page.next
    for user in users:
        yield user


async def _no_other_administrators(tx: Transaction, kept: Collection[int]) -> None:
    async for user in _all_users(tx):
        if user.admin and user.id not in kept:
            await set_admin(tx, user, False)
