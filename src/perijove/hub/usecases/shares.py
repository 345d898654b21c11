"""Shares of servers: given, listed, taken back, given up; and codes with which whoever knows them takes a share.

Nobody gives more than they may do themselves at that moment, nor to whom they may not know by name. A share belongs to
the server, not to its giver: it stays when the giver loses rights, until whoever holds `shares` for the server takes it
back, its holder gives it up, or server, owner or holder is deleted.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.errors import PerijoveError, forbidden, invalid, not_found
from perijove.hub.core.events import ServerShared, ShareCodeChanged, ShareRevoked
from perijove.hub.core.groups import Group
from perijove.hub.core.names import normalize_group_name, normalize_user_name, shorten
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal, Target
from perijove.hub.core.scopes import Memberships, beyond
from perijove.hub.core.servers import Server
from perijove.hub.core.shares import (
    DEFAULT_LIFETIME,
    DEFAULT_SCOPES,
    Share,
    ShareCode,
    code_expiry,
    rights,
    without_filters,
)
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH, expired, hash_token
from perijove.hub.core.users import User
from perijove.hub.ports.store import ShareQuery, Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.reach import reached, reached_group
from perijove.hub.usecases.tokens import new_secret

HolderKind = Literal["user", "group"]


class ServerName(Struct, frozen=True):
    """A server as an address names it: its owner's normalised name, and its own, empty for the default one."""

    owner: str
    name: str


class HolderName(Struct, frozen=True):
    """Who is to have a share, or has it: a user or a group by name."""

    kind: HolderKind
    name: str


class ShareView(Struct, frozen=True):
    """A share and its server as it is now."""

    share: Share
    server: Server


class CodeView(Struct, frozen=True):
    """A share code, its server as it is now, and once the code itself."""

    code: ShareCode
    server: Server
    value: str = ""


# -- what is shared of a server


async def list_of_owner(
    ctx: Context, principal: Principal, owner: str, server: str | None, window: Window
) -> Page[ShareView]:
    """Return a part of the shares of one server, or of all servers of *owner* if *server* is None.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    async with ctx.store.transaction() as tx:
        page = await tx.shares.list(await _about(ctx, tx, principal, owner, server, window))
        return await _views(tx, page)


async def give(
    ctx: Context, principal: Principal, server: ServerName, holder: HolderName, scopes: list[str]
) -> ShareView:
    """Share a server with a user or group, or add to what is shared with them; return all that is shared then.

    Args:
        ctx: ports.
        principal: whoever gives.
        server: what is shared.
        holder: with whom.
        scopes: what they may do with it; use it, if empty.

    Raises:
        PerijoveError: FORBIDDEN for scopes that the giver does not hold, and for recipients whose names they may not
            read; NOT_FOUND without such a server; INVALID for other scopes, and for recipients that do not exist.
    """
    principal.require_some("shares")
    bases = without_filters(scopes, server.owner, server.name) or DEFAULT_SCOPES
    async with ctx.store.transaction() as tx:
        owner, shared = await _shared_server(tx, principal, "shares", server)
        _check_gift(ctx, principal, owner, shared, bases)
        recipient = await _recipient(tx, principal, owner, holder)
        share = await _put(ctx, tx, shared, recipient, bases)
    ctx.telemetry.emit(ServerShared(shared.full_name, f"{holder.kind} {recipient.name}", _told(bases), principal.name))
    return ShareView(share, shared)


async def take_back(
    ctx: Context, principal: Principal, server: ServerName, holder: HolderName, scopes: list[str]
) -> ShareView | None:
    """Take *scopes*, or everything if there are none, from what is shared with a user or group; return what is left.

    Whom the server is not shared with, or who does not exist, has nothing left.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND without such a server; INVALID for scopes of anything else.
    """
    principal.require_some("shares")
    bases = without_filters(scopes, server.owner, server.name)
    async with ctx.store.transaction() as tx:
        _, shared = await _shared_server(tx, principal, "shares", server)
        share = await _held(ctx, tx, shared, await _named(tx, holder))
        if share is None:
            return None
        kept = tuple(scope for scope in share.scopes if bases and scope not in bases)
        if kept == share.scopes:
            return ShareView(share, shared)
        if kept:
            share = await tx.shares.put(replace(share, scopes=kept))
        else:
            await tx.shares.delete(share.id)
    _tell_revoked(ctx, share, _told(bases), principal)
    return ShareView(share, shared) if kept else None


async def take_all_back(ctx: Context, principal: Principal, server: ServerName) -> None:
    """Share a server with nobody any more. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    async with ctx.store.transaction() as tx:
        _, shared = await _shared_server(tx, principal, "shares", server)
        count = await tx.shares.delete_of_server(shared.id)
    if count:
        ctx.telemetry.emit(ShareRevoked(shared.full_name, "", "", principal.name))


# -- what users and groups have


async def list_with(ctx: Context, principal: Principal, holder: HolderName, window: Window) -> Page[ShareView]:
    """Return a part of what is shared with a group, or with a user and their groups.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    async with ctx.store.transaction() as tx:
        found = await _reached_holder(tx, principal, holder, write=False)
        query = ShareQuery(window, ctx.clock.now())
        by_kind = {"user": replace(query, user_id=found.id), "group": replace(query, group_id=found.id)}
        return await _views(tx, await tx.shares.list(by_kind[holder.kind]))


async def get_with(ctx: Context, principal: Principal, holder: HolderName, server: ServerName) -> ShareView:
    """Return what of a server is shared with a group, or with a user themselves.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    async with ctx.store.transaction() as tx:
        return await _share_with(ctx, tx, principal, holder, server, write=False)


async def give_up(ctx: Context, principal: Principal, holder: HolderName, server: ServerName) -> None:
    """End what of a server is shared with a group, or with a user themselves.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    async with ctx.store.transaction() as tx:
        view = await _share_with(ctx, tx, principal, holder, server, write=True)
        await tx.shares.delete(view.share.id)
    _tell_revoked(ctx, view.share, "", principal)


# -- codes


async def list_codes(
    ctx: Context, principal: Principal, owner: str, server: str | None, window: Window
) -> Page[CodeView]:
    """Return a part of the share codes of one server, or of all servers of *owner* if *server* is None.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    async with ctx.store.transaction() as tx:
        page = await tx.share_codes.list(await _about(ctx, tx, principal, owner, server, window))
        servers = await _servers(tx, {code.owner_name for code in page.items})
    return Page([CodeView(code, servers[code.server_id]) for code in page.items], page.window, page.total)


async def create_code(
    ctx: Context,
    principal: Principal,
    server: ServerName,
    scopes: list[str],
    *,
    expires_in: int = DEFAULT_LIFETIME,
    value: str = "",
) -> CodeView:
    """Make a code with which whoever knows it takes a share, until it expires or is revoked.

    Args:
        ctx: ports.
        principal: whoever gives.
        server: what is shared.
        scopes: what the code gives; use of the server, if empty.
        expires_in: for how many seconds it is accepted.
        value: what the code shall be, where the same wish may come twice: the second time nothing new is made.

    Raises:
        PerijoveError: FORBIDDEN for scopes that the giver does not hold; NOT_FOUND without such a server; INVALID for
            other scopes and times.
    """
    principal.require_some("shares")
    bases = without_filters(scopes, server.owner, server.name) or DEFAULT_SCOPES
    now = ctx.clock.now()
    expires, value = code_expiry(expires_in, now), value or new_secret()
    async with ctx.store.transaction() as tx:
        owner, shared = await _shared_server(tx, principal, "shares", server)
        made = await tx.share_codes.by_hash(hash_token(value))
        if made is not None and made.server_id == shared.id:
            return CodeView(made, shared, value)
        _check_gift(ctx, principal, owner, shared, bases)
        code = await tx.share_codes.add(
            ShareCode(0, hash_token(value), shared.id, owner.name, shared.name, bases, now, expires)
        )
    ctx.telemetry.emit(ShareCodeChanged(shared.full_name, code.api_id, True, principal.name))
    return CodeView(code, shared, value)


async def revoke_code(
    ctx: Context, principal: Principal, server: ServerName, *, value: str = "", code_id: int | None = None
) -> None:
    """Revoke the code *value*, or the one with that id, or all of a server if neither is given; what was taken stays.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND without such a server or code.
    """
    async with ctx.store.transaction() as tx:
        _, shared = await _shared_server(tx, principal, "shares", server)
        if not value and code_id is None:
            count, told = await tx.share_codes.delete_of_server(shared.id), ""
        else:
            code = await (_by_value(tx, value) if code_id is None else tx.share_codes.get(code_id))
            if code is None or code.server_id != shared.id or expired(code.expires, ctx.clock.now()):
                raise not_found("No such share code")
            await tx.share_codes.delete(code.id)
            count, told = 1, code.api_id
    if count:
        ctx.telemetry.emit(ShareCodeChanged(shared.full_name, told, False, principal.name))


async def offered(ctx: Context, value: str) -> CodeView:
    """Return what the code *value* gives. Raises PerijoveError NOT_FOUND if it is unknown or over."""
    async with ctx.store.transaction() as tx:
        return await _offered(ctx, tx, value)


async def accept(ctx: Context, user: User, value: str) -> ShareView:
    """Give *user* what the code *value* gives.

    Raises:
        PerijoveError: NOT_FOUND if it is unknown or over; FORBIDDEN if the server is theirs.
    """
    async with ctx.store.transaction() as tx:
        offer = await _offered(ctx, tx, value)
        check_not_own(user, offer)
        share = await _put(ctx, tx, offer.server, user, offer.code.scopes)
        await tx.share_codes.exchanged(offer.code.id, ctx.clock.now())
    scopes, code = _told(offer.code.scopes), offer.code.api_id
    ctx.telemetry.emit(ServerShared(offer.server.full_name, f"user {user.name}", scopes, user.name, code))
    return ShareView(share, offer.server)


def check_not_own(user: User, offer: CodeView) -> None:
    """Refuse a person what is theirs anyway. Raises PerijoveError FORBIDDEN."""
    if offer.server.user_id == user.id:
        raise forbidden("This is your own server. Send the link to whom you want to share it with.")


async def purge(ctx: Context) -> int:
    """Delete shares and share codes that are over; return how many."""
    async with ctx.store.transaction() as tx:
        return await tx.shares.delete_expired(ctx.clock.now())


# -- parts


async def _about(
    ctx: Context, tx: Transaction, principal: Principal, owner: str, server: str | None, window: Window
) -> ShareQuery:
    query = ShareQuery(window, ctx.clock.now())
    if server is None:
        return replace(query, owner_id=(await reached(tx, principal, "read:shares", name=owner)).id)
    _, shared = await _shared_server(tx, principal, "read:shares", ServerName(owner, server))
    return replace(query, server_id=shared.id)


async def _shared_server(tx: Transaction, principal: Principal, base: str, server: ServerName) -> tuple[User, Server]:
    owner = await reached(tx, principal, base, name=server.owner, server=server.name)
    found = await tx.servers.get(owner.id, server.name)
    if found is None:
        raise not_found(
            f"{owner.name} has no server named {shorten(server.name)!r}"
            if server.name
            else f"{owner.name} has no server yet: it can be shared once it has been started"
        )
    return owner, found


def _check_gift(ctx: Context, principal: Principal, owner: User, server: Server, bases: tuple[str, ...]) -> None:
    asked = rights(bases, owner.name, server.name, ctx.catalogue)
    if missing := beyond(asked, principal.scopes, Memberships({owner.name: owner.groups})):
        raise forbidden(f"You cannot share what you may not do: {', '.join(map(str, missing[:5]))}")


async def _recipient(tx: Transaction, principal: Principal, owner: User, holder: HolderName) -> User | Group:
    if holder.kind == "group":
        may = principal.may("read:groups:name", group=normalize_group_name(holder.name))
    else:
        name = normalize_user_name(holder.name)
        may = principal.may("read:users:name", user=await tx.users.get(name) or Target(name))
    if not may:
        # Before it is told whether there is one of that name.
        raise forbidden(f"Need scope 'read:{holder.kind}s:name' to share with {holder.kind}s by name")
    found = await _named(tx, holder)
    if found is None:
        raise invalid(f"No such {holder.kind}: {shorten(holder.name)!r}")
    if isinstance(found, User) and found.id == owner.id:
        raise invalid("A server cannot be shared with its owner")
    return found


async def _named(tx: Transaction, holder: HolderName) -> User | Group | None:
    if holder.kind == "group":
        return await tx.groups.get(normalize_group_name(holder.name))
    return await tx.users.get(normalize_user_name(holder.name))


async def _held(ctx: Context, tx: Transaction, server: Server, holder: User | Group | None) -> Share | None:
    """Return what of *server* is shared with *holder* and not over."""
    if holder is None:
        return None
    find = tx.shares.with_user if isinstance(holder, User) else tx.shares.with_group
    share = await find(server.id, holder.id)
    return None if share is None or expired(share.expires, ctx.clock.now()) else share


async def _put(ctx: Context, tx: Transaction, server: Server, holder: User | Group, bases: tuple[str, ...]) -> Share:
    """Add *bases* to what of *server* is shared with *holder*."""
    held = await _held(ctx, tx, server, holder)
    user_id, group_id = (holder.id, None) if isinstance(holder, User) else (None, holder.id)
    scopes = (*(held.scopes if held else ()), *bases)
    share = Share(0, server.id, server.user_name, server.name, scopes, ctx.clock.now(), user_id, group_id=group_id)
    return await tx.shares.put(share)


async def _reached_holder(tx: Transaction, principal: Principal, holder: HolderName, *, write: bool) -> User | Group:
    base = f"{'' if write else 'read:'}{holder.kind}s:shares"
    if holder.kind == "group":
        return await reached_group(tx, principal, base, name=holder.name)
    return await reached(tx, principal, base, name=holder.name)


async def _share_with(
    ctx: Context, tx: Transaction, principal: Principal, holder: HolderName, server: ServerName, *, write: bool
) -> ShareView:
    found = await _reached_holder(tx, principal, holder, write=write)
    owner = await tx.users.get(server.owner)
    shared = None if owner is None else await tx.servers.get(owner.id, server.name)
    share = None if shared is None else await _held(ctx, tx, shared, found)
    if shared is None or share is None:
        where = shorten(f"{server.owner}/{server.name}")
        raise not_found(f"Nothing of {where} is shared with {holder.kind} {shorten(holder.name)}")
    return ShareView(share, shared)


async def _by_value(tx: Transaction, value: str) -> ShareCode | None:
    return await tx.share_codes.by_hash(hash_token(value)) if len(value) <= MAX_TOKEN_LENGTH else None


async def _offered(ctx: Context, tx: Transaction, value: str) -> CodeView:
    code = await _by_value(tx, value)
    server = None if code is None or expired(code.expires, ctx.clock.now()) else await tx.servers.by_id(code.server_id)
    if code is None or server is None:
        raise no_offer()
    return CodeView(code, server)


def no_offer() -> PerijoveError:
    """Return the error for a code that gives nothing."""
    return not_found("This link to a shared server is not valid, or not any more. Ask for a new one.")


async def _servers(tx: Transaction, owners: set[str]) -> dict[int, Server]:
    """Return all servers of these users by id: two statements, however many shares a page has."""
    users = await tx.users.named(owners)
    return {server.id: server for server in await tx.servers.list_of([user.id for user in users.values()])}


async def _views(tx: Transaction, page: Page[Share]) -> Page[ShareView]:
    servers = await _servers(tx, {share.owner_name for share in page.items})
    return Page([ShareView(share, servers[share.server_id]) for share in page.items], page.window, page.total)


def _told(bases: tuple[str, ...]) -> str:
    return " ".join(sorted(bases))


def _tell_revoked(ctx: Context, share: Share, scopes: str, principal: Principal) -> None:
    holder = f"user {share.user_name}" if share.user_id is not None else f"group {share.group_name}"
    server = f"{share.owner_name}/{share.server_name}"
    ctx.telemetry.emit(ShareRevoked(server, holder, scopes, principal.name))
