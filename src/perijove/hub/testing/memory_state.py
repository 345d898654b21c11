"""What the store in memory holds, and the rules that a database would keep by itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from perijove.hub.adapters.store.values import json_text
from perijove.hub.core.attempts import AttemptKey, Tally
from perijove.hub.core.errors import conflict
from perijove.hub.core.groups import Group
from perijove.hub.core.long_actions import LongAction
from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.pending_sign_ins import PendingSignIn
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.roles import HolderKind, Role
from perijove.hub.core.servers import Server
from perijove.hub.core.services import Service
from perijove.hub.core.shares import Share, ShareCode
from perijove.hub.core.tokens import Token
from perijove.hub.core.users import Account, Session, User
from perijove.hub.ports.store import OwnerKind, ShareQuery

K = TypeVar("K")
V = TypeVar("V")
W = TypeVar("W", User, Server, Token)


Held = tuple[str, HolderKind, int]
"""A role and its holder."""


class State(Struct):
    """Everything stored."""

    users: dict[int, User] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    invitations: dict[str, datetime] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    servers: dict[int, Server] = field(default_factory=dict)
    progress: dict[int, ProgressEvent] = field(default_factory=dict)
    tokens: dict[int, Token] = field(default_factory=dict)
    clients: dict[str, OAuthClient] = field(default_factory=dict)
    codes: dict[str, OAuthCode] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    holders: dict[Held, bool] = field(default_factory=dict)
    """Who has which role, and whether only the authenticator gave it."""
    services: dict[int, Service] = field(default_factory=dict)
    auth_states: dict[int, bytes] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    memberships: dict[tuple[int, int], None] = field(default_factory=dict)
    """Pairs of a user's and a group's id."""
    shares: dict[int, Share] = field(default_factory=dict)
    share_codes: dict[int, ShareCode] = field(default_factory=dict)
    attempts: dict[AttemptKey, Tally] = field(default_factory=dict)
    long_actions: dict[str, LongAction] = field(default_factory=dict)
    leases: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Owner and end by name."""
    pending_sign_ins: dict[str, PendingSignIn] = field(default_factory=dict)
    last_ids: dict[str, int] = field(default_factory=dict)

    def copied(self) -> State:
        """Return a copy that can be changed by itself; what is in it cannot change."""
        return State(**{name: copy.copy(getattr(self, name)) for name in self.__struct_fields__})

    def next_id(self, table: str) -> int:
        """Return an id that no row of *table* ever had."""
        self.last_ids[table] = self.last_ids.get(table, 0) + 1
        return self.last_ids[table]

    def owner(self, kind: OwnerKind, owner_id: int) -> User | Service:
        """Return the user or service. Raises PerijoveError CONFLICT if there is none."""
        owners: Mapping[int, User | Service] = self.users if kind == "user" else self.services
        return existing(owners, owner_id)

    def holder(self, kind: HolderKind, holder_id: int) -> User | Service | Group:
        """Return the user, service or group. Raises PerijoveError CONFLICT if there is none."""
        return existing(self.groups, holder_id) if kind == "group" else self.owner(kind, holder_id)

    def with_groups(self, user: User) -> User:
        """Return *user* with the names of their groups."""
        names = (self.groups[group].name for member, group in self.memberships if member == user.id)
        return replace(user, groups=tuple(sorted(names)))

    def is_about(self, server_id: int, query: ShareQuery) -> bool:
        """Say whether *query* asks for what is shared of that server."""
        owner_id = self.servers[server_id].user_id
        return query.server_id in {None, server_id} and query.owner_id in {None, owner_id}

    def drop_holders(self, which: Callable[[Held], bool]) -> None:
        """Take these roles away."""
        for held in [held for held in self.holders if which(held)]:
            del self.holders[held]

    def end_sessions(self, which: Callable[[Session], bool]) -> int:
        """Delete these sessions with what was issued in them; return how many sessions."""
        ended = {session.session_id for session in self.sessions.values() if which(session)}
        drop(self.tokens, lambda token: token.session_id in ended)
        drop(self.codes, lambda code: code.session_id in ended)
        return drop(self.sessions, which)

    def delete_clients(self, which: Callable[[OAuthClient], bool]) -> None:
        """Delete these clients with what was issued to them."""
        gone = {client.client_id for client in self.clients.values() if which(client)}
        drop(self.tokens, lambda token: token.client_id in gone)
        drop(self.codes, lambda code: code.client_id in gone)
        drop(self.clients, which)

    def delete_clients_of(self, server_id: int) -> None:
        """Delete a server's client with what was issued to it."""
        self.delete_clients(lambda client: client.server_id == server_id)

    def delete_server(self, server_id: int) -> None:
        """Delete a server with all that hangs on it."""
        self.delete_clients_of(server_id)
        drop(self.tokens, lambda token: token.server_id == server_id)
        drop(self.progress, lambda event: event.server_id == server_id)
        drop(self.shares, lambda share: share.server_id == server_id)
        drop(self.share_codes, lambda code: code.server_id == server_id)
        self.servers.pop(server_id, None)

    def delete_owner(self, kind: OwnerKind, owner_id: int) -> None:
        """Delete what a user and a service alike can have."""
        drop(self.tokens, lambda token: (token.owner_kind, token.owner_id) == (kind, owner_id))
        self.drop_holders(lambda held: held[1:] == (kind, owner_id))


def drop(rows: dict[K, V], which: Callable[[V], bool]) -> int:
    """Delete the rows for which *which* holds; return how many."""
    gone = [key for key, row in rows.items() if which(row)]
    for key in gone:
        del rows[key]
    return len(gone)


def page_of(rows: Sequence[V], window: Window) -> Page[V]:
    """Return the part of *rows* in the window."""
    return Page(rows[window.offset : window.offset + window.limit], window, len(rows))


def existing(rows: Mapping[K, V], key: K) -> V:
    """Return the row. Raises PerijoveError CONFLICT if there is none, as a foreign key does."""
    if key not in rows:
        raise conflict("What this belongs to does not exist any more")
    return rows[key]


def free(taken: bool, message: str) -> None:
    """Raise PerijoveError CONFLICT if something is *taken*, as a unique constraint does."""
    if taken:
        raise conflict(message)


def aware(*times: datetime | None) -> None:
    """Raise ValueError if one of *times* has no time zone."""
    if any(time is not None and time.utcoffset() is None for time in times):
        raise ValueError("a time without time zone cannot be stored")


def through_json(value: Mapping[str, object]) -> Any:
    """Return *value* as it comes back from JSON. Raises PerijoveError INVALID if JSON cannot hold it."""
    return json.loads(json_text(dict(value)))


def forward(rows: dict[int, W], times: Mapping[int, datetime]) -> None:
    """Move ``last_activity`` of rows, by id, forward; never back."""
    aware(*times.values())
    for key, at in times.items():
        row = rows.get(key)
        if row is not None and (row.last_activity is None or row.last_activity < at):
            rows[key] = replace(row, last_activity=at)


class Unit(Struct):
    """What the repositories of one transaction share."""

    state: State
    over: bool = False


class Repository:
    """One group of the port's methods, within one transaction."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    @property
    def all(self) -> State:
        """Everything stored. Raises RuntimeError once the transaction is over."""
        if self.unit.over:
            raise RuntimeError("the transaction is over")
        return self.unit.state
