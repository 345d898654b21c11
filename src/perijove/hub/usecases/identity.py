"""Who asks: from a token or a session to a principal with its rights of this moment."""

from __future__ import annotations

from dataclasses import dataclass

from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand, token_scopes
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH, Token, expired, hash_token
from perijove.hub.core.users import Session, User
from perijove.hub.ports.store import OwnerKind, Transaction
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.wire.scopes import Scope


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person in a browser."""

    principal: Principal
    session: Session
    user: User


async def owner_scopes(tx: Transaction, kind: OwnerKind, owner_id: int, name: str) -> frozenset[Scope]:
    """Return everything that a user or service may do now, by their roles."""
    raw = [scope for role in await tx.roles.of(kind, owner_id) for scope in role.scopes]
    return expand(raw, Holder(user=name) if kind == "user" else Holder(service=name))


async def by_token(ctx: Context, activity: Activity, value: str) -> Principal | None:
    """Return whom a token belongs to, with what it allows now; None if it is unknown or over."""
    if not value or len(value) > MAX_TOKEN_LENGTH:
        return None
    async with ctx.store.transaction() as tx:
        token = await tx.tokens.by_hash(hash_token(value))
        if token is None or expired(token.expires_at, ctx.clock.now()):
            return None
        scopes = await _token_scopes(tx, token)
        admin = await _is_admin(tx, token)
    user_id = token.owner_id if token.owner_kind == "user" else None
    # What a server does by itself is not its owner's doing.
    counts = token.server_id is None
    activity.token_used(token.id, user_id if counts else None)
    return Principal(
        kind=token.owner_kind,
        name=token.owner_name,
        scopes=scopes,
        user_id=user_id,
        service_id=token.owner_id if token.owner_kind == "service" else None,
        admin=admin,
        token_id=token.id,
        session_id=token.session_id,
        activity=counts,
    )


async def by_session(ctx: Context, key: str) -> Visitor | None:
    """Return who is signed in with the session cookie's secret *key*; None if nobody (any more)."""
    if not key or len(key) > MAX_TOKEN_LENGTH:
        return None
    async with ctx.store.transaction() as tx:
        found = await tx.sessions.get(hash_token(key))
        if found is None or expired(found[0].expires, ctx.clock.now()):
            return None
        session, user = found
        return Visitor(await of_user(tx, user, session.session_id), session, user)


async def of_user(tx: Transaction, user: User, session_id: str | None = None) -> Principal:
    """Return *user* as somebody who asks and may do all that they may do at all."""
    scopes = await owner_scopes(tx, "user", user.id, user.name)
    return Principal(
        kind="user", name=user.name, scopes=scopes, user_id=user.id, admin=user.admin, session_id=session_id
    )


async def _token_scopes(tx: Transaction, token: Token) -> frozenset[Scope]:
    holder = Holder(user=token.owner_name) if token.owner_kind == "user" else Holder(service=token.owner_name)
    if token.server_id is not None and (server := await tx.servers.by_id(token.server_id)) is not None:
        holder = Holder(user=holder.user, server=server.full_name)
    owner = await owner_scopes(tx, token.owner_kind, token.owner_id, token.owner_name)
    return token_scopes(token.scopes, owner, holder)


async def _is_admin(tx: Transaction, token: Token) -> bool:
    if token.owner_kind == "user":
        user = await tx.users.by_id(token.owner_id)
        return user is not None and user.admin
    service = await tx.services.by_id(token.owner_id)
    return service is not None and service.admin
