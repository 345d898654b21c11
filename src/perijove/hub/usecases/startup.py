"""What the configuration says must exist, put into the store before the hub opens its door."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.store import Transaction
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.sign_in import ensure_user, set_admin

log = structlog.get_logger(__name__)
CONFIG_TOKEN_NOTE = "From the configuration file"


async def apply_configuration(
    ctx: Context, authenticator: Authenticator, services: Sequence[ServiceSpec], roles: Sequence[RoleSpec]
) -> None:
    """Bring users, services and roles of the configuration into the store, in one transaction."""
    async with ctx.store.transaction() as tx:
        await tx.roles.replace_all(merged_roles(roles))
        for name in sorted(authenticator.allowed_users | authenticator.admin_users):
            user, _ = await ensure_user(ctx, tx, name, admin=True if name in authenticator.admin_users else None)
            if user.admin:
                await set_admin(tx, user, True)
        for name in sorted(authenticator.blocked_users):
            if (blocked := await tx.users.get(name)) is not None:
                await set_admin(tx, blocked, False)
                await tx.sessions.delete_all_of(blocked.id)
        await _services(ctx, tx, services)
        await _holders(tx, roles)


def merged_roles(specs: Sequence[RoleSpec]) -> list[Role]:
    """Return the default roles with those of the configuration added or in their place."""
    roles = dict(DEFAULT_ROLES)
    for spec in specs:
        default = roles.get(spec.name)
        scopes = spec.scopes or (default.scopes if default else ())
        description = spec.description or (default.description if default else "")
        roles[spec.name] = Role(spec.name, scopes, description)
    return list(roles.values())


async def _services(ctx: Context, tx: Transaction, specs: Sequence[ServiceSpec]) -> None:
    await tx.services.keep_only([spec.name for spec in specs])
    for spec in specs:
        service = await tx.services.put(spec.name, admin=spec.admin)
        if spec.admin:
            await tx.roles.assign("admin", "service", service.id)
        else:
            await tx.roles.revoke("admin", "service", service.id)
        wanted = hash_token(spec.api_token) if spec.api_token else None
        for token in await tx.tokens.list_of("service", service.id):
            if token.token_hash != wanted:
                await tx.tokens.delete(token.id)
        if wanted is not None and await tx.tokens.by_hash(wanted) is None:
            await tx.tokens.add(
                Token(
                    id=0,
                    token_hash=wanted,
                    owner_kind="service",
                    owner_id=service.id,
                    owner_name=spec.name,
                    scopes=("inherit",),
                    created=ctx.clock.now(),
                    note=CONFIG_TOKEN_NOTE,
                )
            )


async def _holders(tx: Transaction, specs: Sequence[RoleSpec]) -> None:
    """Give each configured role to exactly whom the configuration lists, for the kinds that it lists at all."""
    for spec in specs:
        if spec.users:
            users = [user.id for name in spec.users if (user := await tx.users.get(name)) is not None]
            await tx.roles.set_holders(spec.name, "user", users)
            if missing := len(spec.users) - len(users):
                log.warning("a role names users who do not exist", role=spec.name, missing=missing)
        if spec.services:
            services = [s.id for name in spec.services if (s := await tx.services.get(name)) is not None]
            await tx.roles.set_holders(spec.name, "service", services)
