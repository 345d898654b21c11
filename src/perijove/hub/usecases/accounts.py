"""Names and passwords that the hub keeps: signing up, approval, the first administrator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from perijove.hub.core.errors import Code, PerijoveError, conflict, forbidden, invalid, not_found
from perijove.hub.core.events import (
    AccountApproved,
    AccountRefused,
    AdminChanged,
    PasswordChanged,
    SignedIn,
    SignedUp,
    UserCreated,
)
from perijove.hub.core.names import normalize_user_name, shorten
from perijove.hub.core.principals import Principal
from perijove.hub.core.texts import mark
from perijove.hub.core.tokens import hash_token
from perijove.hub.core.users import Account, check_new_password
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.passwords import PasswordHasher
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.additions import prepare_new
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.people import ensure_user
from perijove.hub.usecases.sign_in import NewSession, begin_session
from perijove.hub.usecases.tokens import new_secret

MAX_WAITING = 1000
"""How many sign-ups may wait, so that nobody fills the disk with them."""

WAITING = mark("Your account waits for an administrator's approval.")
TAKEN_INVITATION = mark("This link was used already or replaced by a newer one.")


class Accounts:
    """The use cases of accounts."""

    def __init__(
        self,
        ctx: Context,
        hasher: PasswordHasher,
        authenticator: Authenticator,
    ) -> None:
        """Take the ports.

        Args:
            ctx: ports.
            hasher: hashes passwords.
            authenticator: says which names may sign in here, and which are administrators: nobody may sign up as one.
                It prepares who becomes a user.
        """
        self._ctx = ctx
        self._hasher = hasher
        self._authenticator = authenticator

    async def check_password(self, name: str, password: str) -> bool:
        """Say whether *name* and *password* belong together.

        Raises:
            PerijoveError: FORBIDDEN, if they do but the account is not approved yet; INVALID, if that is no name.
        """
        name = normalize_user_name(name)
        async with self._ctx.store.transaction() as tx:
            account = await tx.accounts.get(name)
        if not await self._hasher.verify(account.password_hash if account else None, password) or account is None:
            return False
        if not account.approved:
            raise forbidden(WAITING)
        return True

    async def sign_up(self, name: str, password: str) -> None:
        """Keep a name and password that wait for approval. If the name is taken, nothing changes and nobody is told.

        A user without an account, made by an administrator beforehand, may sign up: who it is, the approval says. An
        administrator may not: an approval given in a hurry would hand the hub to a stranger.

        Raises:
            PerijoveError: INVALID for an impossible name or a weak password; LIMITED if too many wait.
        """
        name = self._new_name(name)
        password_hash = await self._hasher.hash(check_new_password(password))
        async with self._ctx.store.transaction() as tx:
            if await tx.accounts.count_waiting() >= MAX_WAITING:
                raise PerijoveError(Code.LIMITED, "Too many people wait for approval. Try again later.")
            user = await tx.users.get(name)
            reserved = name in self._authenticator.admin_users or (user is not None and user.admin)
            taken = reserved or await tx.accounts.get(name) is not None
            if not taken:
                await tx.accounts.add(Account(name, password_hash, approved=False, created=self._ctx.clock.now()))
        if not taken:
            self._ctx.telemetry.emit(SignedUp(name))

    def _new_name(self, name: str) -> str:
        """Return the one spelling of *name*. Raises PerijoveError INVALID if nobody may sign in under it."""
        name = normalize_user_name(name)
        if not self._authenticator.validate_username(name):
            raise invalid(f"Names such as {shorten(name)!r} are not used here. Choose another.")
        return name

    async def waiting(self, principal: Principal) -> Sequence[Account]:
        """Return those who wait, oldest first. Raises PerijoveError FORBIDDEN."""
        principal.require("admin:users")
        async with self._ctx.store.transaction() as tx:
            return await tx.accounts.list_waiting()

    async def approve(self, principal: Principal, name: str) -> None:
        """Let somebody in who signed up.

        Raises:
            PerijoveError: FORBIDDEN; NOT_FOUND; INVALID, if the authenticator cannot prepare them.
        """
        principal.require("admin:users")
        async with self._ctx.store.transaction() as tx:
            await _waiting_for(tx, name)
        await prepare_new(self._ctx, self._authenticator, [name])
        async with self._ctx.store.transaction() as tx:
            await _waiting_for(tx, name)
            await tx.accounts.approve(name)
            _, created = await ensure_user(self._ctx, tx, name, admin=None)
        self._ctx.telemetry.emit(AccountApproved(name, principal.name))
        if created:
            self._ctx.telemetry.emit(UserCreated(name, principal.name))

    async def refuse(self, principal: Principal, name: str) -> None:
        """Forget a sign-up that was not approved. Raises PerijoveError FORBIDDEN, NOT_FOUND."""
        principal.require("admin:users")
        async with self._ctx.store.transaction() as tx:
            await _waiting_for(tx, name)
            await tx.accounts.delete(name)
        self._ctx.telemetry.emit(AccountRefused(name, principal.name))

    async def change_password(self, visitor: Visitor, old: str, new: str, lifetime: timedelta) -> NewSession:
        """Replace one's own password; every session ends but the new one that is returned.

        Raises:
            PerijoveError: FORBIDDEN, if *old* is not the password; INVALID, if *new* may not be one.
        """
        async with self._ctx.store.transaction() as tx:
            account = await tx.accounts.get(visitor.user.name)
        if not await self._hasher.verify(account.password_hash if account else None, old):
            raise forbidden("The old password is not right.")
        password_hash = await self._hasher.hash(check_new_password(new))
        async with self._ctx.store.transaction() as tx:
            await tx.accounts.set_password(visitor.user.name, password_hash)
            await tx.sessions.delete_all_of(visitor.user.id)
            session = await begin_session(self._ctx, tx, visitor.user, lifetime)
        self._ctx.telemetry.emit(PasswordChanged(visitor.user.name, visitor.user.name))
        return session

    async def invite_first_administrator(self) -> str | None:
        """Return a new one-time code, in place of earlier ones; None if an administrator can sign in."""
        code = new_secret()
        async with self._ctx.store.transaction() as tx:
            if await tx.accounts.any_administrator():
                return None
            await tx.invitations.replace(hash_token(code), self._ctx.clock.now())
        return code

    async def invitation_valid(self, code: str) -> bool:
        """Say whether *code* may be used, without using it up."""
        async with self._ctx.store.transaction() as tx:
            return await tx.invitations.valid(hash_token(code)) and not await tx.accounts.any_administrator()

    async def set_up_administrator(self, code: str, name: str, password: str, lifetime: timedelta) -> NewSession:
        """Make the first administrator and sign them in.

        Raises:
            PerijoveError: INVALID for a bad name or password, and if the authenticator cannot prepare them (the code
                stays valid then); FORBIDDEN if the code is not valid; CONFLICT if somebody signed up under that name.
        """
        name = self._new_name(name)
        if not await self.invitation_valid(code):
            raise forbidden(TAKEN_INVITATION)
        password_hash = await self._hasher.hash(check_new_password(password))
        await prepare_new(self._ctx, self._authenticator, [name], admin=True)
        async with self._ctx.store.transaction() as tx:
            if not await tx.invitations.redeem(hash_token(code)) or await tx.accounts.any_administrator():
                raise forbidden(TAKEN_INVITATION)
            if await tx.accounts.get(name) is not None:
                raise conflict("Somebody signed up under that name. Choose another.")
            await tx.accounts.add(Account(name, password_hash, approved=True, created=self._ctx.clock.now()))
            user, created = await ensure_user(self._ctx, tx, name, admin=True)
            session = await begin_session(self._ctx, tx, user, lifetime)
        if created:
            self._ctx.telemetry.emit(UserCreated(name, name))
        self._ctx.telemetry.emit(AdminChanged(name, True, name))
        self._ctx.telemetry.emit(SignedIn(name))
        return session


async def _waiting_for(tx: Transaction, name: str) -> None:
    """Return if somebody of that name waits for approval. Raises PerijoveError NOT_FOUND."""
    account = await tx.accounts.get(name)
    if account is None or account.approved:
        raise not_found("Nobody of that name waits for approval")


def matching(password: str, again: str) -> str:
    """Return *password* if it was typed the same twice. Raises PerijoveError INVALID."""
    if password != again:
        raise invalid("The two passwords differ.")
    return password
