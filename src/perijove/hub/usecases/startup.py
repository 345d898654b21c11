"""What the configuration says must exist, put into the store before the hub opens its door."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from perijove.hub.core.errors import invalid
from perijove.hub.core.paging import Window
from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.servers import Event, State, after
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.core.users import User
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.store import Transaction, UserQuery
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.sign_in import ensure_user, set_admin

CONFIG_TOKEN_NOTE = "From the configuration file"


async def apply_configuration(
    ctx: Context, authenticator: Authenticator, services: Sequence[ServiceSpec], roles: Sequence[RoleSpec]
) -> None:
    """Bring users, services and roles of the configuration into the store, in one transaction.

    Raises:
        PerijoveError: INVALID, if the token of a service belongs to somebody else.
    """
    async with ctx.store.transaction() as tx:
        await tx.roles.replace_all(merged_roles(roles))
        for name in sorted(authenticator.allowed_users | authenticator.admin_users):
            user, _ = await ensure_user(ctx, tx, name, admin=True if name in authenticator.admin_users else None)
            if user.admin:
                await set_admin(tx, user, True)
        await _services(ctx, tx, services)
        for spec in roles:
            await _holders(ctx, tx, spec, authenticator.admin_users)
        # Last, because blocked beats everything that was given above.
        for name in sorted(authenticator.blocked_users):
            if (blocked := await tx.users.get(name)) is not None:
                await _shut_out(ctx, tx, blocked)


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


async def _services(ctx: Context, tx: Transaction, specs: Sequence[ServiceSpec]) -> None:
    await tx.services.keep_only([spec.name for spec in specs])
    services = [(spec, await tx.services.put(Service(0, spec.name, admin=spec.admin))) for spec in specs]
    # All old tokens go before a new one comes: two services may have exchanged theirs.
    for spec, service in services:
        for token in await tx.tokens.list_of("service", service.id):
            if token.token_hash != _wanted(spec):
                await tx.tokens.delete(token.id)
    for spec, service in services:
        change = tx.roles.assign if spec.admin else tx.roles.revoke
        await change(DEFAULT_ROLES["admin"].name, "service", service.id)
        if (wanted := _wanted(spec)) is not None:
            await _give_token(ctx, tx, service, wanted)


def _wanted(spec: ServiceSpec) -> str | None:
    return hash_token(spec.api_token) if spec.api_token else None


async def _give_token(ctx: Context, tx: Transaction, service: Service, token_hash: str) -> None:
    held = await tx.tokens.by_hash(token_hash)
    if held is None:
        await tx.tokens.add(
            Token(
                id=0,
                token_hash=token_hash,
                owner_kind="service",
                owner_id=service.id,
                owner_name=service.name,
                scopes=("inherit",),
                created=ctx.clock.now(),
                note=CONFIG_TOKEN_NOTE,
            )
        )
    elif (held.owner_kind, held.owner_id) != ("service", service.id):
        raise invalid(
            f"c.JupyterHub.services: the api_token of {service.name} is a token of the {held.owner_kind} "
            f"{held.owner_name} already. Make a new one (openssl rand -hex 32)."
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


async def _no_other_administrators(tx: Transaction, kept: Collection[int]) -> None:
    window: Window | None = Window(0, 1000)
    while window is not None:
        page = await tx.users.list(UserQuery(window))
        for user in page.items:
            if user.admin and user.id not in kept:
                await set_admin(tx, user, False)
        window = page.next
