"""The store: the only truth. One use case opens one transaction; plug-ins are awaited outside it.

Every method may raise `PerijoveError` with code UNAVAILABLE when the database is away; what else one raises it says.
Values that go in and come out are the frozen dataclasses of ``hub.core``; times are UTC with their time zone.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.roles import Role
from perijove.hub.core.servers import Server
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import Token
from perijove.hub.core.users import Account, Session, User

OwnerKind = Literal["user", "service"]
UserSort = Literal["id", "name", "last_activity"]
UserState = Literal["active", "ready", "inactive"]


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Which users to list, and in which order.

    Attributes:
        window: which part.
        names: only these, if not None (what the caller may see).
        state: active (a server not at rest), ready (a server ready) or inactive (neither), if given.
        name_filter: only names holding this text, whatever its case; ``%`` and ``_`` mean themselves.
        sort: by which field; without times come first when ascending.
        descending: the other way round.
    """

    window: Window
    names: frozenset[str] | None = None
    state: UserState | None = None
    name_filter: str = ""
    sort: UserSort = "id"
    descending: bool = False


class Users(Protocol):
    """Users by name and id."""

    async def get(self, name: str) -> User | None:
        """Return the user called *name* (normalised)."""
        ...

    async def by_id(self, user_id: int) -> User | None:
        """Return the user with that id."""
        ...

    async def list(self, query: UserQuery) -> Page[User]:
        """Return the users that *query* asks for, and how many there are in all."""
        ...

    async def add(self, name: str, *, admin: bool, now: datetime) -> User:
        """Store a new user. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def set_admin(self, user_id: int, admin: bool) -> None:
        """Make the user an administrator, or not."""
        ...

    async def delete(self, user_id: int) -> None:
        """Delete the user with servers, tokens, sessions, codes, role assignments and account."""
        ...

    async def count(self) -> int:
        """Return how many there are."""
        ...


class Accounts(Protocol):
    """Names and passwords kept by the hub."""

    async def any_administrator(self) -> bool:
        """Say whether an administrator has an approved account, and so can sign in."""
        ...

    async def get(self, name: str) -> Account | None:
        """Return the account of *name*."""
        ...

    async def list_waiting(self) -> Sequence[Account]:
        """Return accounts that wait for approval, oldest first."""
        ...

    async def count_waiting(self) -> int:
        """Return how many wait."""
        ...

    async def add(self, account: Account) -> None:
        """Store a new account. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def approve(self, name: str) -> bool:
        """Let the account be used; False if there is none."""
        ...

    async def set_password(self, name: str, password_hash: str) -> None:
        """Replace its password."""
        ...

    async def delete(self, name: str) -> None:
        """Forget it; nothing happens if there is none."""
        ...


class Invitations(Protocol):
    """One-time codes with which the first administrator gets in; stored by hash."""

    async def replace(self, code_hash: str, now: datetime) -> None:
        """Make this the only valid code."""
        ...

    async def redeem(self, code_hash: str) -> bool:
        """Use the code up; False if it is not valid (any more)."""
        ...

    async def valid(self, code_hash: str) -> bool:
        """Say whether the code could be redeemed now, without using it up."""
        ...


class Sessions(Protocol):
    """Browsers that are signed in."""

    async def get(self, key_hash: str) -> tuple[Session, User] | None:
        """Return the session with its user."""
        ...

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def delete(self, session_id: str) -> None:
        """End the session, and every token and code issued in it."""
        ...

    async def delete_all_of(self, user_id: int) -> None:
        """End all sessions of a user, and what was issued in them."""
        ...


class Servers(Protocol):
    """Servers of users."""

    async def get(self, user_id: int, name: str) -> Server | None:
        """Return one server of a user."""
        ...

    async def by_id(self, server_id: int) -> Server | None:
        """Return the server with that id."""
        ...

    async def list_of(self, user_ids: Collection[int]) -> Sequence[Server]:
        """Return all servers of these users, by user and name."""
        ...

    async def list_active(self) -> Sequence[Server]:
        """Return all servers that are not at rest."""
        ...

    async def add(self, user_id: int, name: str, display_name: str = "") -> Server:
        """Store a new server at rest. Raises PerijoveError CONFLICT if the user has one of that name."""
        ...

    async def save(self, server: Server) -> None:
        """Store *server*, whose ``version`` is one more than when it was read; its lease stays as stored.

        Its activity moves forward, never back. Raises PerijoveError CONFLICT if somebody else changed it meanwhile, and
        INVALID if its spawner state or options hold what JSON cannot.
        """
        ...

    async def checkpoint(self, server_id: int, attempt: int, spawner_state: Mapping[str, object]) -> bool:
        """Store what the spawner needs to find this attempt again; False if that attempt is over.

        The version stays, so read and save in one transaction. Raises PerijoveError INVALID for what JSON cannot hold.
        """
        ...

    async def claim(self, server_id: int, owner: str, until: datetime, now: datetime) -> bool:
        """Take or renew the lease; False if another hub process holds it."""
        ...

    async def renew(self, owner: str, until: datetime) -> None:
        """Prolong all leases of *owner*."""
        ...

    async def release(self, server_id: int, owner: str) -> None:
        """Give the lease up, if *owner* has it."""
        ...

    async def release_all(self) -> None:
        """End all leases: for a hub that knows to be alone."""
        ...

    async def delete(self, server_id: int) -> None:
        """Delete the server, its token, client and progress."""
        ...


class Progress(Protocol):
    """The stored steps of starts."""

    async def append(self, event: ProgressEvent) -> ProgressEvent:
        """Store *event* and return it with its id."""
        ...

    async def list(self, server_id: int, attempt: int, after: int = 0) -> Sequence[ProgressEvent]:
        """Return the events of an attempt whose id is greater than *after*, in order."""
        ...

    async def forget_before(self, server_id: int, attempt: int) -> None:
        """Delete the events of earlier attempts."""
        ...


class Tokens(Protocol):
    """API tokens, by hash."""

    async def by_hash(self, token_hash: str) -> Token | None:
        """Return the token; expired ones too."""
        ...

    async def get(self, token_id: int) -> Token | None:
        """Return the token with that id."""
        ...

    async def list_of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Token]:
        """Return the tokens of an owner, by id."""
        ...

    async def add(self, token: Token) -> Token:
        """Store a new token and return it with its id. Raises PerijoveError CONFLICT if its hash is known."""
        ...

    async def delete(self, token_id: int) -> None:
        """Revoke it."""
        ...

    async def delete_of_client(self, client_id: str, owner_id: int) -> None:
        """Revoke all that a user's OAuth client was given for this user."""
        ...

    async def delete_of_server(self, server_id: int) -> None:
        """Revoke the token made for a server."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete tokens, codes and sessions that are over; return how many."""
        ...


class OAuth(Protocol):
    """OAuth clients and the codes on their way."""

    async def client(self, client_id: str) -> OAuthClient | None:
        """Return the client."""
        ...

    async def put_client(self, client: OAuthClient) -> None:
        """Store the client in place of the one with its id or its server."""
        ...

    async def delete_client_of(self, server_id: int) -> None:
        """Delete a server's client with the tokens and codes issued to it."""
        ...

    async def add_code(self, code: OAuthCode) -> None:
        """Store a code."""
        ...

    async def take_code(self, code_hash: str) -> OAuthCode | None:
        """Return the code and delete it, so that it is used once."""
        ...


class Roles(Protocol):
    """Roles and who has them."""

    async def list(self) -> Sequence[Role]:
        """Return all roles by name."""
        ...

    async def replace_all(self, roles: Sequence[Role]) -> None:
        """Make these the only roles; assignments to others go."""
        ...

    async def of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Role]:
        """Return the roles of a user or service, by name."""
        ...

    async def of_users(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Return the names of the roles of each of these users, by id."""
        ...

    async def assign(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        """Give a role; nothing happens if it is held."""
        ...

    async def revoke(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        """Take a role away; nothing happens if it is not held."""
        ...

    async def set_holders(self, role: str, owner_kind: OwnerKind, owner_ids: Collection[int]) -> None:
        """Make these the only holders of that kind."""
        ...


class Services(Protocol):
    """Services from the configuration."""

    async def get(self, name: str) -> Service | None:
        """Return the service called *name*."""
        ...

    async def by_id(self, service_id: int) -> Service | None:
        """Return the service with that id."""
        ...

    async def put(self, name: str, *, admin: bool) -> Service:
        """Store the service or change it."""
        ...

    async def keep_only(self, names: Collection[str]) -> None:
        """Delete all others with their tokens and role assignments."""
        ...


class Activity(Protocol):
    """When things were last used."""

    async def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        """Move the stored times, by id, forward to these; never back."""
        ...


class Transaction(Protocol):
    """All of the store within one transaction; everything or nothing of it happens."""

    @property
    def users(self) -> Users: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def servers(self) -> Servers: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def oauth(self) -> OAuth: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def services(self) -> Services: ...
    @property
    def activity(self) -> Activity: ...


class Store(Protocol):
    """Gives transactions."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that may write; leaving the block commits, an exception rolls back."""
        ...

    @property
    def generation(self) -> Hashable:
        """A mark that is another one as soon as a transaction changed anything that answers are made of.

        What was derived from the store is good as long as the mark is the one from before it was read. Leases, steps
        of starts and times of last use need not change it.
        """
        ...

    async def ping(self) -> None:
        """Return if the database answers. Raises PerijoveError UNAVAILABLE."""
        ...
