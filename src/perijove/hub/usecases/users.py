"""Users: created, listed, shown, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import structlog
from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.errors import conflict, forbidden, invalid, not_found
from perijove.hub.core.events import AdminChanged, AuthStateChanged, UserCreated, UserDeleted, UserRenamed
from perijove.hub.core.facts import Fact
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.paging import Page
from perijove.hub.core.principals import Principal, Target
from perijove.hub.core.role_events import RolesChanged
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.servers import Server
from perijove.hub.core.users import User
from perijove.hub.core.visibility import READ_USER, fields_of_users, require_user, user_fields
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.store import Transaction, UserQuery
from perijove.hub.usecases.additions import prepare_new
from perijove.hub.usecases.auth_states import auth_state_of, sealed
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.gifts import require_boundless
from perijove.hub.usecases.groups import set_groups_of
from perijove.hub.usecases.people import set_admin
from perijove.hub.usecases.reach import reached
from perijove.hub.usecases.removal import Removal
from perijove.hub.usecases.slices import in_slices

log = structlog.get_logger(__name__)
MAX_NEW_USERS = 10_000
HOOK_TIMEOUT = 60.0


class UserView(NamedTuple):
    """A user with what is shown beside them; *fields* names what the caller may see of it.

    *auth_state* is known only where one user is asked for by somebody who may see it.
    """

    user: User
    roles: Sequence[str]
    servers: Sequence[Server]
    fields: frozenset[str]
    auth_state: Mapping[str, object] | None = None


async def list_users(ctx: Context, principal: Principal, query: UserQuery) -> Page[UserView]:
    """Return the users that *query* asks for, as far as the caller may list them.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND for members of a group that the caller may not read.
    """
    query = _visible(principal, query)
    async with ctx.store.reading() as tx:
        page = await tx.users.overview(query)
    fields = fields_of_users(principal, [each.user for each in page.items])
    views = [UserView(*each, seen) for each, seen in zip(page.items, fields, strict=True)]
    return Page(views, page.window, page.total)


async def list_names(ctx: Context, principal: Principal, query: UserQuery) -> Sequence[str]:
    """Return the names of the users that *query* asks for, as far as the caller may list them.

    Raises:
        PerijoveError: as `list_users`.
    """
    query = _visible(principal, query)
    async with ctx.store.reading() as tx:
        return await tx.users.names(query)


def _visible(principal: Principal, query: UserQuery) -> UserQuery:
    """Return *query* for no more than the caller may list. Raises PerijoveError, see `list_users`."""
    if query.member_of:
        principal.require("read:groups", group=query.member_of)
    limits = principal.limits("list:users", "user", "group")
    return query if limits is None else replace(query, names=limits["user"], groups=limits["group"])


async def get_user(ctx: Context, principal: Principal, name: str) -> UserView:
    """Return one user. Raises PerijoveError NOT_FOUND or FORBIDDEN."""
    principal.require_some(*READ_USER)
    async with ctx.store.reading() as tx:
        user = await tx.users.get(name)
        require_user(principal, user or Target(name))
        if user is None:
            raise not_found("No such user")
        return await _with_auth_state(ctx, tx, (await _views(tx, principal, [user]))[0])


async def _with_auth_state(ctx: Context, tx: Transaction, view: UserView) -> UserView:
    if "auth_state" not in view.fields:
        return view
    return view._replace(auth_state=await auth_state_of(ctx, tx, view.user.id))


async def view_of(ctx: Context, principal: Principal, user_id: int) -> UserView:
    """Return the user with that id, as the caller may see them. Raises PerijoveError NOT_FOUND."""
    async with ctx.store.reading() as tx:
        user = await tx.users.by_id(user_id)
        if user is None:
            raise not_found("No such user")
        return (await _views(tx, principal, [user]))[0]


async def _views(tx: Transaction, principal: Principal, users: Sequence[User]) -> list[UserView]:
    ids = [user.id for user in users]
    roles: Mapping[int, Sequence[str]] = await tx.roles.names_of("user", ids)
    servers: dict[int, list[Server]] = {user_id: [] for user_id in ids}
    for server in await tx.servers.list_of(ids):
        servers[server.user_id].append(server)
    return [
        UserView(user, roles.get(user.id, ()), servers[user.id], fields)
        for user, fields in zip(users, fields_of_users(principal, users), strict=True)
    ]


async def create_users(
    ctx: Context, authenticator: Authenticator, principal: Principal, names: Sequence[str], *, admin: bool
) -> Sequence[UserView]:
    """Create those of *names* that are no users yet, all or none.

    Raises:
        PerijoveError: FORBIDDEN; INVALID for no or impossible names, all of them named, and for one whom the
            authenticator cannot prepare; CONFLICT if all exist.
    """
    principal.require("admin:users")
    return await _create(ctx, authenticator, principal, names, admin)


async def create_user(
    ctx: Context, authenticator: Authenticator, principal: Principal, name: str, *, admin: bool
) -> UserView:
    """Create the user called *name*, which a scope for that name alone allows too.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND; INVALID for an impossible name, and if the authenticator cannot prepare
            them; CONFLICT if there is one already.
    """
    principal.require_some("admin:users")
    normal = normalize_user_name(name)
    async with ctx.store.transaction() as tx:
        # Who is no user yet is in no group.
        principal.require("admin:users", user=await tx.users.get(normal) or Target(normal))
    return (await _create(ctx, authenticator, principal, [name], admin))[0]


async def _create(
    ctx: Context, authenticator: Authenticator, principal: Principal, names: Sequence[str], admin: bool
) -> Sequence[UserView]:
    if admin:
        async with ctx.store.transaction() as tx:
            await require_boundless(ctx, tx, principal, "make administrators")
    normal = await _valid_names(authenticator, names)
    await prepare_new(ctx, authenticator, normal, admin=admin)
    given = [DEFAULT_ROLES[name].name for name in (("admin", "user") if admin else ("user",))]
    async with ctx.store.transaction() as tx:
        created = await tx.users.add_many(normal, admin=admin, now=ctx.clock.now())
        if not created:
            raise conflict(f"User {normal[0]} already exists" if len(normal) == 1 else "All these users already exist")
        for role in given:
            await tx.roles.assign_all(role, "user", [user.id for user in created])
    views = []
    async for part in in_slices(created):
        for user, fields in zip(part, fields_of_users(principal, part), strict=True):
            ctx.telemetry.emit(UserCreated(user.name, principal.name))
            if admin:
                ctx.telemetry.emit(AdminChanged(user.name, True, principal.name))
            views.append(UserView(user, given, (), fields))
    return views


async def _valid_names(authenticator: Authenticator, names: Sequence[str]) -> list[str]:
    if not names:
        raise invalid("Must specify at least one user to create")
    if len(names) > MAX_NEW_USERS:
        raise invalid(f"At most {MAX_NEW_USERS} users at once")
    normal: dict[str, None] = {}
    bad: list[str] = []
    async for part in in_slices(names):
        for name in part:
            try:
                # An administrator writes the name itself; the map is for what an authenticator gives.
                candidate = normalize_user_name(name)
            except Exception:  # every bad name is told, not only the first
                bad.append(name[:80])
                continue
            if authenticator.validate_username(candidate):
                normal[candidate] = None
            else:
                bad.append(candidate[:80])
    if bad:
        raise invalid(f"Invalid usernames: {', '.join(repr(name) for name in bad[:20])}")
    return list(normal)


class UserChanges(Struct, frozen=True):
    """What to change of a user; None for what stays."""

    name: str | None = None
    admin: bool | None = None
    groups: Sequence[str] | None = None
    roles: Sequence[str] | None = None
    auth_state: Mapping[str, object] | None = None


async def change_user(
    ctx: Context, authenticator: Authenticator, principal: Principal, name: str, changes: UserChanges
) -> UserView:
    """Change a user, all of it or nothing, and return them.

    Raises:
        PerijoveError: NOT_FOUND; FORBIDDEN, also for what only administrators may do: make, unmake and change
            administrators, and give roles; INVALID for a name that is impossible or taken, while a server of theirs
            runs that a new name would cut off, for groups and roles that do not exist, and for an auth_state that
            cannot be kept.
    """
    principal.require_some("admin:users")
    new_name = None if changes.name is None else (await _valid_names(authenticator, [changes.name]))[0]
    async with ctx.store.transaction() as tx:
        user = await reached(tx, principal, "admin:users", name=name)
        if user.admin and not principal.admin:
            raise forbidden("Only administrators can change administrators")
        if changes.admin and not user.admin:
            await require_boundless(ctx, tx, principal, "make administrators")
        facts: list[Fact] = []
        if changes.admin is not None and changes.admin != user.admin:
            await set_admin(tx, user, changes.admin)
            facts.append(AdminChanged(user.name, changes.admin, principal.name))
        if changes.groups is not None:
            facts += await set_groups_of(ctx, tx, principal, user, changes.groups)
        if changes.roles is not None:
            facts.append(await _set_roles(ctx, tx, principal, user, changes.roles))
        if new_name is not None and new_name != user.name:
            facts.append(await _rename(tx, principal, user, new_name))
        changed = await tx.users.by_id(user.id)
        if changes.auth_state is not None:
            facts.append(await _set_auth_state(ctx, tx, principal, user, changes.auth_state))
        view = (await _views(tx, principal, [changed or user]))[0]
        # Who leaves the caller's reach by this is shown as far as they were in it.
        view = await _with_auth_state(ctx, tx, view._replace(fields=user_fields(principal, user)))
    for fact in facts:
        ctx.telemetry.emit(fact)
    return view


async def _set_auth_state(
    ctx: Context, tx: Transaction, principal: Principal, user: User, state: Mapping[str, object]
) -> Fact:
    principal.require("admin:auth_state", user=user)
    if ctx.encryption is None:
        raise invalid("This hub keeps no auth_state: c.Authenticator.enable_auth_state is off")
    try:
        await tx.users.set_auth_state(user.id, sealed(ctx, state))
    except (TypeError, ValueError) as error:
        raise invalid(str(error)) from None
    return AuthStateChanged(user.name, principal.name)


async def _rename(tx: Transaction, principal: Principal, user: User, name: str) -> Fact:
    # A name can mean rights, in the configuration for example: whoever reaches some users only cannot give it.
    principal.require("admin:users")
    if any(server.active for server in await tx.servers.list_of([user.id])):
        raise invalid(f"Stop the servers of {user.name} first: they run under the old name")
    if await tx.users.get(name) is not None:
        raise invalid(f"User {name} already exists, username must be unique")
    await tx.users.rename(user.id, name)
    return UserRenamed(name, user.name, principal.name)


async def _set_roles(ctx: Context, tx: Transaction, principal: Principal, user: User, names: Sequence[str]) -> Fact:
    await require_boundless(ctx, tx, principal, "give roles")
    wanted, held = set(names), {role.name for role in await tx.roles.of("user", user.id)}
    if missing := sorted(wanted - {role.name for role in await tx.roles.list()}):
        raise invalid(f"No such role: {', '.join(map(repr, missing[:20]))}")
    for name in wanted - held:
        await tx.roles.assign(name, "user", user.id)
    for name in held - wanted:
        await tx.roles.revoke(name, "user", user.id)
    await tx.users.set_admin(user.id, DEFAULT_ROLES["admin"].name in wanted)
    return RolesChanged(user.name, ", ".join(sorted(wanted)), principal.name)


async def delete_user(
    ctx: Context,
    removal: Removal,
    principal: Principal,
    name: str,
    *,
    stop_server: Callable[[Server], Awaitable[bool]],
) -> None:
    """Delete a user with everything of theirs; servers are stopped first.

    Args:
        ctx: ports.
        removal: deletes them, and their servers, once nothing of theirs runs.
        principal: whoever asks.
        name: whom.
        stop_server: stops a server and says whether it is gone.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND; INVALID for oneself; CONFLICT if a server does not stop. Nothing is
            deleted then.
    """
    principal.require_some("delete:users")
    async with ctx.store.transaction() as tx:
        user = await reached(tx, principal, "delete:users", name=name)
        servers = await tx.servers.list_of([user.id])
    if user.id == principal.user_id:
        raise invalid("Cannot delete yourself!")
    if user.admin and not principal.admin:
        raise forbidden("Only administrators can delete administrators")
    if not all(await asyncio.gather(*(stop_server(server) for server in servers if server.active))):
        raise conflict(f"{name}'s server is still stopping. Try again when it has stopped.")
    async with ctx.store.transaction() as tx:
        if not principal.admin and (now := await tx.users.by_id(user.id)) is not None and now.admin:
            raise forbidden("Only administrators can delete administrators")
        current = await tx.servers.list_of([user.id])
        if any(server.active for server in current):
            raise conflict(f"{name}'s server was started meanwhile. Try again.")
        await tx.users.want_removal(user.id, True)
        for server in current:
            await tx.servers.save(replace(server, remove_wanted=True, version=server.version + 1))
    for server in current:
        await removal.server(server)
    await removal.user(user)
    ctx.telemetry.emit(UserDeleted(name, principal.name))
