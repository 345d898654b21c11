"""API tokens: made, listed, revoked. A token's value is told once and stored nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.errors import forbidden, invalid, not_found
from perijove.hub.core.events import TokenCreated, TokenRevoked
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.paging import Page, Window, part_of
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, beyond, expand, holds_any, undecided
from perijove.hub.core.tokens import API_CLIENT_ID, MAX_NOTE_LENGTH, Token, expired, expiry, hash_token
from perijove.hub.core.users import User
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import memberships, owner_scopes, token_rights
from perijove.hub.usecases.reach import reached

TOKEN_BYTES = 32
MAX_SCOPES = 200


class TokenRequest(Struct, frozen=True):
    """What a new token shall be.

    Attributes:
        note: what it is for.
        expires_in: seconds until it ends; None or 0 for as long as is allowed.
        scopes: raw scopes; None for those of the role ``token``.
        roles: names of roles whose scopes it gets; not together with scopes.
    """

    note: str = ""
    expires_in: int | None = None
    scopes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None


class Application(Struct, frozen=True):
    """An OAuth client that a user let act for them.

    Attributes:
        name: the service, or the server as ``owner/name``; empty if the client is gone.
        is_service: which of the two.
        tokens: what it was given.
    """

    name: str
    is_service: bool
    tokens: Sequence[Token]


class Held(Struct, frozen=True):
    """Parts of what acts for a user: tokens of their own, and applications."""

    tokens: Page[Token]
    applications: Page[Application]


class TokenView(Struct, frozen=True):
    """A token, what it allows now, and once its value."""

    token: Token
    scopes: tuple[str, ...]
    value: str = ""


def new_secret() -> str:
    """Return a new secret of 256 bits, safe in URLs and headers."""
    return secrets.token_urlsafe(TOKEN_BYTES)


async def create(
    ctx: Context, principal: Principal, user_name: str, request: TokenRequest, *, maximum: int, value: str = ""
) -> TokenView:
    """Make a token for a user.

    Args:
        ctx: ports.
        principal: whoever asks.
        user_name: whose token it will be.
        request: what it shall be.
        maximum: the longest life of a token in seconds; 0 for no limit.
        value: what the token shall be, where the same wish may come twice: the second time nothing new is made.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND; INVALID for unknown scopes or roles, or more than its owner may do.
    """
    principal.require_some("tokens")
    note = request.note or f"Requested via api by {principal.kind} {principal.name}"
    if len(note) > MAX_NOTE_LENGTH or not all(c.isprintable() for c in note):
        raise invalid(f"A note has at most {MAX_NOTE_LENGTH} printable characters")
    now = ctx.clock.now()
    value = value or new_secret()
    async with ctx.store.transaction() as tx:
        user = await reached(tx, principal, "tokens", name=user_name)
        made = await tx.tokens.by_hash(hash_token(value))
        if made is not None and (made.owner_kind, made.owner_id) == ("user", user.id):
            return replace(await _view(ctx, tx, made), value=value)
        raw = await _raw_scopes(tx, request)
        await _check_scopes(ctx, tx, principal, user, raw)
        token = await tx.tokens.add(
            Token(
                id=0,
                token_hash=hash_token(value),
                owner_kind="user",
                owner_id=user.id,
                owner_name=user.name,
                scopes=raw,
                created=now,
                note=note,
                expires_at=expiry(request.expires_in, maximum, now),
            )
        )
        view = await _view(ctx, tx, token)
    ctx.telemetry.emit(TokenCreated(user.name, principal.name, token.api_id))
    return TokenView(token, view.scopes, value)


async def _raw_scopes(tx: Transaction, request: TokenRequest) -> tuple[str, ...]:
    if request.scopes is not None and request.roles is not None:
        raise invalid("Give roles or scopes for a token, not both")
    if request.roles is not None:
        known = {role.name: role for role in await tx.roles.list()}
        if unknown := [name for name in request.roles if name not in known]:
            raise invalid(f"No such role: {unknown[0][:80]!r}")
        return tuple(dict.fromkeys(scope for name in request.roles for scope in known[name].scopes))
    if request.scopes is not None:
        if len(request.scopes) > MAX_SCOPES:
            raise invalid(f"At most {MAX_SCOPES} scopes")
        return request.scopes
    default = await tx.roles.get("token")
    return () if default is None else default.scopes


async def _check_scopes(ctx: Context, tx: Transaction, principal: Principal, user: User, raw: tuple[str, ...]) -> None:
    """Refuse a token that would allow more than its owner may do, or that would raise whoever makes it."""
    asked = expand(raw, Holder(user=user.name), ctx.catalogue)
    owner = await owner_scopes(ctx, tx, "user", user.id, user.name)
    members = await memberships(tx, undecided(asked, owner | principal.scopes))
    if missing := beyond(asked, owner, members):
        names = ", ".join(map(str, missing[:5]))
        raise invalid(f"Not assigning requested scopes {names}: {user.name} does not have them")
    given = owner if "inherit" in raw else asked
    if user.id == principal.user_id:
        if beyond(given, principal.scopes, members):
            raise forbidden("A new token may not allow more than the one it is asked with")
    elif (user.admin or holds_any(given, "admin:users")) and beyond(
        (scope for scope in given if scope.owner != user.name), principal.scopes, members
    ):
        # Whoever holds `tokens` acts for users by it; that must not be a way to become an administrator.
        raise forbidden("Only who may do as much can make such a token for an administrator")


async def _view(ctx: Context, tx: Transaction, token: Token) -> TokenView:
    rights = await token_rights(ctx, tx, token)
    return TokenView(token, tuple(sorted(map(str, rights.scopes))))


async def list_of(ctx: Context, principal: Principal, user_name: str) -> Sequence[TokenView]:
    """Return the tokens of a user that are not over, oldest use first.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    principal.require_some("read:tokens")
    now = ctx.clock.now()
    async with ctx.store.reading() as tx:
        user = await reached(tx, principal, "read:tokens", name=user_name)
        tokens = [token for token in await tx.tokens.list_of("user", user.id) if not expired(token.expires_at, now)]
        tokens.sort(key=lambda token: token.last_activity or token.created)
        return [await _view(ctx, tx, token) for token in tokens]


async def held(ctx: Context, principal: Principal, user_name: str, tokens: Window, applications: Window) -> Held:
    """Return parts of what acts for a user.

    Args:
        ctx: ports.
        principal: whoever asks.
        user_name: for whom it acts.
        tokens: which of the tokens, of which the one used last comes first.
        applications: which of the OAuth clients that hold tokens, by their ids.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    principal.require_some("read:tokens")
    now = ctx.clock.now()
    async with ctx.store.reading() as tx:
        user = await reached(tx, principal, "read:tokens", name=user_name)
        good = [token for token in await tx.tokens.list_of("user", user.id) if not expired(token.expires_at, now)]
        own, by_client = _sorted_out(good)
        clients = part_of(sorted(by_client), applications)
        found = [_application(await tx.oauth.client(client_id), by_client[client_id]) for client_id in clients.items]
    return Held(part_of(own, tokens), Page(found, clients.window, clients.total))


def _sorted_out(tokens: Sequence[Token]) -> tuple[list[Token], dict[str, list[Token]]]:
    """Return those that people made, the one used last first, and those of each OAuth client."""
    own: list[Token] = []
    by_client: dict[str, list[Token]] = {}
    for token in tokens:
        (own if token.client_id == API_CLIENT_ID else by_client.setdefault(token.client_id, [])).append(token)
    own.sort(key=lambda token: (token.last_activity or token.created, token.id), reverse=True)
    return own, by_client


def _application(client: OAuthClient | None, tokens: Sequence[Token]) -> Application:
    if client is None:
        return Application("", False, tokens)
    return Application(client.service_name or client.server_name, bool(client.service_name), tokens)


async def get(ctx: Context, principal: Principal, user_name: str, token_id: int) -> TokenView:
    """Return one token of a user.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    principal.require_some("read:tokens")
    async with ctx.store.transaction() as tx:
        await reached(tx, principal, "read:tokens", name=user_name)
        return await _view(ctx, tx, await _owned(ctx, tx, user_name, token_id))


async def _owned(ctx: Context, tx: Transaction, user_name: str, token_id: int) -> Token:
    token = await tx.tokens.get(token_id)
    if token is None or (token.owner_kind, token.owner_name) != ("user", user_name):
        raise not_found("No such token")
    if expired(token.expires_at, ctx.clock.now()):
        raise not_found("No such token")
    return token


async def revoke(ctx: Context, principal: Principal, user_name: str, token_id: int) -> None:
    """Revoke one token of a user; for one issued to an OAuth client, all that this client has for this user.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND.
    """
    principal.require_some("tokens")
    async with ctx.store.transaction() as tx:
        await reached(tx, principal, "tokens", name=user_name)
        token = await _owned(ctx, tx, user_name, token_id)
        client = "" if token.client_id == API_CLIENT_ID else token.client_id
        if client:
            await tx.tokens.delete_of_client(client, token.owner_id)
        else:
            await tx.tokens.delete(token.id)
    ctx.telemetry.emit(TokenRevoked(user_name, principal.name, token.api_id, client))


async def purge(ctx: Context) -> int:
    """Delete tokens, codes and sessions that are over; return how many."""
    async with ctx.store.transaction() as tx:
        return await tx.tokens.delete_expired(ctx.clock.now())
