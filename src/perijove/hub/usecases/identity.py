"""Who asks: from a token or a session to a principal with its rights of this moment.

That question comes with every request, so `Identities` remembers the answers. One that is remembered holds as long as
the store's generation is the same, and never beyond the end of what it came from. So what is revoked or changed is so
with the next request. While the database is away, who is known stays known: for as long as that lasts where this hub
alone writes to it, and for `GRACE` where another hub may have changed something of which this one cannot hear.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from msgspec import Struct

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, Memberships, expand, token_own_scopes, token_scopes, undecided
from perijove.hub.core.tokens import API_CLIENT_ID, MAX_TOKEN_LENGTH, Token, expired, hash_token
from perijove.hub.core.users import Session, User
from perijove.hub.ports.store import OwnerKind, ShareQuery, Transaction, Unsure
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.remembered import Remembered
from perijove.wire.scopes import Scope

T = TypeVar("T")
LookUp = Callable[[Context, str], Awaitable[tuple[T, datetime | None] | None]]
"""How somebody is looked up by a secret: who it is, and until when that is sure."""

GRACE: Final = timedelta(minutes=5)
"""How long somebody stays known after the last time that other hubs' changes could be heard of."""

MAX_REMEMBERED: Final = 8192
"""How many tokens, and how many sessions, are remembered at most."""

SOON: Final = timedelta(minutes=1)
"""How long an answer holds whose end could not be told."""

_MANY: Final = 200


class Visitor(Struct, frozen=True):
    """A person in a browser."""

    principal: Principal
    session: Session
    user: User


class Rights(Struct, frozen=True):
    """What a user or service may do, and until when for sure; None for as long as nothing is changed."""

    scopes: frozenset[Scope]
    until: datetime | None = None


async def owner_rights(ctx: Context, tx: Transaction, kind: OwnerKind, owner_id: int, name: str) -> Rights:
    """Return everything that a user or service may do now.

    A user: by their roles, the roles of their groups, and what is shared with them or their groups. A service: by its
    roles.
    """
    if kind == "service":
        raw = [scope for role in await tx.roles.of("service", owner_id) for scope in role.scopes]
        return Rights(expand(ctx.catalogue.known(raw), Holder(service=name), ctx.catalogue))
    now = ctx.clock.now()
    raw = [scope for role in await tx.roles.effective_of_user(owner_id) for scope in role.scopes]
    shared = await tx.shares.scopes_for_user(owner_id, now)
    scopes = expand(ctx.catalogue.known((*raw, *shared)), Holder(user=name), ctx.catalogue)
    return Rights(scopes, await _end_of_shares(tx, owner_id, now) if shared else None)


async def _end_of_shares(tx: Transaction, user_id: int, now: datetime) -> datetime | None:
    page = await tx.shares.list(ShareQuery(Window(0, _MANY), now, user_id=user_id))
    return earliest([*(share.expires for share in page.items), now + SOON if page.total > _MANY else None])


def earliest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the first of *times*; None if there is none."""
    return min((time for time in times if time is not None), default=None)


async def owner_scopes(ctx: Context, tx: Transaction, kind: OwnerKind, owner_id: int, name: str) -> frozenset[Scope]:
    """Return everything that a user or service may do now; see `owner_rights`."""
    return (await owner_rights(ctx, tx, kind, owner_id, name)).scopes


async def token_rights(ctx: Context, tx: Transaction, token: Token) -> Rights:
    """Return what *token* allows now: never more than its owner may do at this moment."""
    owner = await owner_rights(ctx, tx, token.owner_kind, token.owner_id, token.owner_name)
    until = earliest((token.expires_at, owner.until))
    if "inherit" in token.scopes:
        return Rights(owner.scopes, until)
    raw, holder = await _as_issued(tx, token)
    names = undecided(token_own_scopes(raw, holder, ctx.catalogue), owner.scopes)
    members = await memberships(tx, names)
    return Rights(token_scopes(raw, owner.scopes, holder, members, ctx.catalogue), until)


async def _as_issued(tx: Transaction, token: Token) -> tuple[tuple[str, ...], Holder]:
    """Return the raw scopes of *token* with those of its client, and for whom its self filters stand."""
    user = token.owner_name if token.owner_kind == "user" else ""
    service = "" if user else token.owner_name
    if token.server_id is not None and (server := await tx.servers.by_id(token.server_id)) is not None:
        return token.scopes, Holder(user, service, server.full_name)
    client = None if token.client_id == API_CLIENT_ID else await tx.oauth.client(token.client_id)
    if client is None:
        return token.scopes, Holder(user, service)
    holder = Holder(user, client.service_name or service, client.server_name)
    return (*token.scopes, *client.required_scopes), holder


async def memberships(tx: Transaction, names: Iterable[str]) -> Memberships:
    """Return the groups of the users with these *names*."""
    found = [user for name in sorted(names) if (user := await tx.users.get(name)) is not None]
    return Memberships({user.name: user.groups for user in found})


async def _by_token(ctx: Context, value: str) -> tuple[Principal, datetime | None] | None:
    """Return whom a token belongs to, with what it allows now and until when for sure; None if unknown or over."""
    async with ctx.store.reading() as tx:
        token = await tx.tokens.by_hash(hash_token(value))
        if token is None or expired(token.expires_at, ctx.clock.now()):
            return None
        rights = await token_rights(ctx, tx, token)
        admin = await _is_admin(tx, token)
    principal = Principal(
        kind=token.owner_kind,
        name=token.owner_name,
        scopes=rights.scopes,
        user_id=token.owner_id if token.owner_kind == "user" else None,
        service_id=token.owner_id if token.owner_kind == "service" else None,
        admin=admin,
        token_id=token.id,
        session_id=token.session_id,
        # What a server does by itself is not its owner's doing.
        activity=token.server_id is None,
    )
    return principal, rights.until


async def _by_session(ctx: Context, key: str) -> tuple[Visitor, datetime | None] | None:
    """Return who is signed in with the session cookie's secret *key*, and until when for sure; None if nobody."""
    async with ctx.store.reading() as tx:
        found = await tx.sessions.get(hash_token(key))
        if found is None or expired(found[0].expires, ctx.clock.now()):
            return None
        session, user = found
        rights = await owner_rights(ctx, tx, "user", user.id, user.name)
    principal = _as_user(user, rights, session.session_id)
    return Visitor(principal, session, user), earliest((session.expires, rights.until))


async def of_user(ctx: Context, tx: Transaction, user: User) -> Principal:
    """Return *user* as somebody who asks and may do all that they may do at all."""
    return _as_user(user, await owner_rights(ctx, tx, "user", user.id, user.name), None)


def _as_user(user: User, rights: Rights, session_id: str | None) -> Principal:
    return Principal(
        kind="user", name=user.name, scopes=rights.scopes, user_id=user.id, admin=user.admin, session_id=session_id
    )


async def _is_admin(tx: Transaction, token: Token) -> bool:
    if token.owner_kind == "user":
        user = await tx.users.by_id(token.owner_id)
        return user is not None and user.admin
    service = await tx.services.by_id(token.owner_id)
    return service is not None and service.admin


class _Known(Struct, Generic[T]):
    """An answer, good until *until* as long as the store's generation is *generation*; *confirmed* is when it was."""

    answer: T
    until: datetime | None
    generation: Hashable
    confirmed: datetime

    def good_enough(self, generation: Hashable, now: datetime) -> bool:
        """Say whether it may be used while the store cannot be asked."""
        return (
            isinstance(generation, Unsure)
            and self.generation == generation.last
            and not expired(self.until, now)
            and now - self.confirmed <= GRACE
        )


class Identities:
    """Answers who asks, from memory where that is as good as from the store."""

    def __init__(self, ctx: Context, activity: Activity) -> None:
        self._ctx = ctx
        self._activity = activity
        self._tokens: Remembered[str, _Known[Principal]] = Remembered(MAX_REMEMBERED)
        self._sessions: Remembered[str, _Known[Visitor]] = Remembered(MAX_REMEMBERED)

    async def by_token(self, value: str) -> Principal | None:
        """Return whom a token belongs to, with what it allows now; None if it is unknown or over."""
        principal = await self._find(self._tokens, value, _by_token)
        if principal is not None and principal.token_id is not None:
            self._activity.token_used(principal.token_id, principal.user_id if principal.activity else None)
        return principal

    async def by_session(self, key: str) -> Visitor | None:
        """Return who is signed in with the session cookie's secret *key*; None if nobody (any more)."""
        return await self._find(self._sessions, key, _by_session)

    async def _find(self, remembered: Remembered[str, _Known[T]], secret: str, look_up: LookUp[T]) -> T | None:
        if not secret or len(secret) > MAX_TOKEN_LENGTH:
            return None
        key = hash_token(secret)
        # Before anything is read, so that what changes meanwhile is looked up again the next time.
        generation = self._ctx.store.generation
        now = self._ctx.clock.now()
        known = remembered.get(key)
        if known is not None and known.generation == generation and not expired(known.until, now):
            known.confirmed = now
            return known.answer
        try:
            found = await look_up(self._ctx, secret)
        except PerijoveError as error:
            if error.code is Code.UNAVAILABLE and known is not None and known.good_enough(generation, now):
                return known.answer
            raise
        if found is None:
            remembered.drop(key)
            return None
        answer, until = found
        last = generation.last if isinstance(generation, Unsure) else generation
        remembered.put(key, _Known(answer, until, last, now))
        return answer
