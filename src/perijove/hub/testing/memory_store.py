"""A store in memory, for tests: the port ``Store`` on dictionaries, as strict as the one on SQL.

A transaction works on a copy of everything; leaving it puts the copy in the place of the original.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from perijove.hub.adapters.store.turns import Turns
from perijove.hub.core.errors import conflict
from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.paging import Page
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.roles import Role
from perijove.hub.core.servers import Server
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import Token
from perijove.hub.core.users import Account, Session, User
from perijove.hub.ports.store import OwnerKind, UserQuery
from perijove.hub.testing.memory_state import State, Unit, aware, drop, existing, forward, free, through_json


class _Repository:
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def _all(self) -> State:
        if self._unit.over:
            raise RuntimeError("the transaction is over")
        return self._unit.state


class MemoryUsers(_Repository):
    """Users."""

    async def get(self, name: str) -> User | None:
        return next((user for user in self._all.users.values() if user.name == name), None)

    async def by_id(self, user_id: int) -> User | None:
        return self._all.users.get(user_id)

    async def list(self, query: UserQuery) -> Page[User]:
        active = {server.user_id for server in self._all.servers.values() if server.active}
        ready = {server.user_id for server in self._all.servers.values() if server.ready}
        fits: dict[str | None, Callable[[User], bool]] = {
            None: lambda user: True,
            "active": lambda user: user.id in active,
            "ready": lambda user: user.id in ready,
            "inactive": lambda user: user.id not in active,
        }
        found = [
            user
            for user in self._all.users.values()
            if (query.names is None or user.name in query.names)
            and query.name_filter.lower() in user.name
            and fits[query.state](user)
        ]
        found.sort(key=lambda user: _sort_key(user, query), reverse=query.descending)
        start = query.window.offset
        return Page(found[start : start + query.window.limit], query.window, len(found))

    async def add(self, name: str, *, admin: bool, now: datetime) -> User:
        aware(now)
        free(await self.get(name) is not None, "A user of that name exists already")
        user = User(self._all.next_id("users"), name, admin, now)
        self._all.users[user.id] = user
        return user

    async def set_admin(self, user_id: int, admin: bool) -> None:
        if user := self._all.users.get(user_id):
            self._all.users[user_id] = replace(user, admin=admin)

    async def delete(self, user_id: int) -> None:
        user = self._all.users.pop(user_id, None)
        if user is None:
            return
        self._all.accounts.pop(user.name, None)
        for server_id in [server.id for server in self._all.servers.values() if server.user_id == user_id]:
            self._all.delete_server(server_id)
        drop(self._all.codes, lambda code: code.user_id == user_id)
        drop(self._all.sessions, lambda session: session.user_id == user_id)
        self._all.delete_owner("user", user_id)

    async def count(self) -> int:
        return len(self._all.users)


def _sort_key(user: User, query: UserQuery) -> tuple[Any, ...]:
    match query.sort:
        case "name":
            return (user.name,)
        case "last_activity":
            return (user.last_activity is not None, user.last_activity or user.created, user.id)
        case _:
            return (user.id,)


class MemoryAccounts(_Repository):
    """Names and passwords."""

    async def any_administrator(self) -> bool:
        admins = {user.name for user in self._all.users.values() if user.admin}
        return any(account.approved and account.name in admins for account in self._all.accounts.values())

    async def get(self, name: str) -> Account | None:
        return self._all.accounts.get(name)

    async def list_waiting(self) -> Sequence[Account]:
        waiting = (account for account in self._all.accounts.values() if not account.approved)
        return sorted(waiting, key=lambda account: (account.created, account.name))

    async def count_waiting(self) -> int:
        return len(await self.list_waiting())

    async def add(self, account: Account) -> None:
        aware(account.created)
        free(account.name in self._all.accounts, "An account of that name exists already")
        self._all.accounts[account.name] = account

    async def approve(self, name: str) -> bool:
        account = self._all.accounts.get(name)
        if account is not None:
            self._all.accounts[name] = replace(account, approved=True)
        return account is not None

    async def set_password(self, name: str, password_hash: str) -> None:
        if account := self._all.accounts.get(name):
            self._all.accounts[name] = replace(account, password_hash=password_hash)

    async def delete(self, name: str) -> None:
        self._all.accounts.pop(name, None)


class MemoryInvitations(_Repository):
    """One-time codes."""

    async def replace(self, code_hash: str, now: datetime) -> None:
        aware(now)
        self._all.invitations.clear()
        self._all.invitations[code_hash] = now

    async def redeem(self, code_hash: str) -> bool:
        return self._all.invitations.pop(code_hash, None) is not None

    async def valid(self, code_hash: str) -> bool:
        return code_hash in self._all.invitations


class MemorySessions(_Repository):
    """Signed-in browsers."""

    async def get(self, key_hash: str) -> tuple[Session, User] | None:
        session = self._all.sessions.get(key_hash)
        return None if session is None else (session, self._all.users[session.user_id])

    async def add(self, session: Session) -> None:
        aware(session.created, session.expires)
        existing(self._all.users, session.user_id)
        ids = {other.session_id for other in self._all.sessions.values()}
        free(session.key_hash in self._all.sessions or session.session_id in ids, "That session exists already")
        self._all.sessions[session.key_hash] = session

    async def delete(self, session_id: str) -> None:
        self._all.end_sessions(lambda session: session.session_id == session_id)

    async def delete_all_of(self, user_id: int) -> None:
        self._all.end_sessions(lambda session: session.user_id == user_id)


class MemoryServers(_Repository):
    """Servers of users."""

    async def get(self, user_id: int, name: str) -> Server | None:
        owned = (server for server in self._all.servers.values() if server.user_id == user_id)
        return next((server for server in owned if server.name == name), None)

    async def by_id(self, server_id: int) -> Server | None:
        return self._all.servers.get(server_id)

    async def list_of(self, user_ids: Collection[int]) -> Sequence[Server]:
        found = (server for server in self._all.servers.values() if server.user_id in set(user_ids))
        return sorted(found, key=lambda server: (server.user_id, server.name))

    async def list_active(self) -> Sequence[Server]:
        return [server for server in self._all.servers.values() if server.active]

    async def add(self, user_id: int, name: str, display_name: str = "") -> Server:
        owner = existing(self._all.users, user_id)
        free(await self.get(user_id, name) is not None, "The user has a server of that name already")
        server = Server(self._all.next_id("servers"), user_id, owner.name, name, display_name)
        self._all.servers[server.id] = server
        return server

    async def save(self, server: Server) -> None:
        stored = self._all.servers.get(server.id)
        aware(server.requested, server.started, server.last_activity)
        state, options = through_json(server.spawner_state), through_json(server.user_options)
        if stored is None or stored.version != server.version - 1:
            raise conflict("The server was changed by somebody else meanwhile")
        unchanged = {
            name: getattr(stored, name) for name in ("user_id", "user_name", "last_activity", "owner", "lease_until")
        }
        others = [each for each in self._all.servers.values() if each.user_id == stored.user_id and each is not stored]
        free(server.name in {each.name for each in others}, "The user has a server of that name already")
        self._all.servers[server.id] = replace(server, spawner_state=state, user_options=options, **unchanged)
        if server.last_activity is not None:
            forward(self._all.servers, {server.id: server.last_activity})

    async def checkpoint(self, server_id: int, attempt: int, spawner_state: Mapping[str, object]) -> bool:
        state = through_json(spawner_state)
        server = self._all.servers.get(server_id)
        if server is None or server.attempt != attempt or not server.active:
            return False
        self._all.servers[server_id] = replace(server, spawner_state=state)
        return True

    async def claim(self, server_id: int, owner: str, until: datetime, now: datetime) -> bool:
        aware(until, now)
        server = self._all.servers.get(server_id)
        if server is None:
            return False
        if server.owner not in {"", owner} and server.lease_until is not None and server.lease_until > now:
            return False
        self._all.servers[server_id] = replace(server, owner=owner, lease_until=until)
        return True

    async def renew(self, owner: str, until: datetime) -> None:
        aware(until)
        for server in list(self._all.servers.values()):
            if server.owner == owner:
                self._all.servers[server.id] = replace(server, lease_until=until)

    async def release(self, server_id: int, owner: str) -> None:
        server = self._all.servers.get(server_id)
        if server is not None and server.owner == owner:
            self._all.servers[server_id] = replace(server, owner="", lease_until=None)

    async def release_all(self) -> None:
        for server in list(self._all.servers.values()):
            self._all.servers[server.id] = replace(server, owner="", lease_until=None)

    async def delete(self, server_id: int) -> None:
        self._all.delete_server(server_id)


class MemoryProgress(_Repository):
    """The stored steps of starts."""

    async def append(self, event: ProgressEvent) -> ProgressEvent:
        aware(event.at)
        existing(self._all.servers, event.server_id)
        stored = replace(event, id=self._all.next_id("progress"))
        self._all.progress[stored.id] = stored
        return stored

    async def list(self, server_id: int, attempt: int, after: int = 0) -> Sequence[ProgressEvent]:
        events = (event for event in self._all.progress.values() if event.id > after)
        return [event for event in events if (event.server_id, event.attempt) == (server_id, attempt)]

    async def forget_before(self, server_id: int, attempt: int) -> None:
        drop(self._all.progress, lambda event: event.server_id == server_id and event.attempt < attempt)


class MemoryTokens(_Repository):
    """API tokens."""

    async def by_hash(self, token_hash: str) -> Token | None:
        return next((token for token in self._all.tokens.values() if token.token_hash == token_hash), None)

    async def get(self, token_id: int) -> Token | None:
        return self._all.tokens.get(token_id)

    async def list_of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Token]:
        tokens = self._all.tokens.values()
        return [token for token in tokens if (token.owner_kind, token.owner_id) == (owner_kind, owner_id)]

    async def add(self, token: Token) -> Token:
        aware(token.created, token.expires_at, token.last_activity)
        owner = self._all.owner(token.owner_kind, token.owner_id)
        if token.server_id is not None:
            existing(self._all.servers, token.server_id)
        free(await self.by_hash(token.token_hash) is not None, "That token exists already")
        stored = replace(token, id=self._all.next_id("tokens"), owner_name=owner.name)
        self._all.tokens[stored.id] = stored
        return stored

    async def delete(self, token_id: int) -> None:
        self._all.tokens.pop(token_id, None)

    async def delete_of_client(self, client_id: str, owner_id: int) -> None:
        gone = (client_id, "user", owner_id)
        drop(self._all.tokens, lambda token: (token.client_id, token.owner_kind, token.owner_id) == gone)

    async def delete_of_server(self, server_id: int) -> None:
        drop(self._all.tokens, lambda token: token.server_id == server_id)

    async def delete_expired(self, now: datetime) -> int:
        aware(now)
        over = drop(self._all.tokens, lambda token: token.expires_at is not None and token.expires_at <= now)
        over += drop(self._all.codes, lambda code: code.expires_at <= now)
        return over + self._all.end_sessions(lambda session: session.expires <= now)


class MemoryOAuth(_Repository):
    """OAuth clients and the codes on their way."""

    async def client(self, client_id: str) -> OAuthClient | None:
        return self._all.clients.get(client_id)

    async def put_client(self, client: OAuthClient) -> None:
        existing(self._all.servers, client.server_id)
        new = (client.server_id, client.client_id)
        self._all.delete_clients(lambda other: other.server_id == new[0] and other.client_id != new[1])
        self._all.clients[client.client_id] = client

    async def delete_client_of(self, server_id: int) -> None:
        self._all.delete_clients(lambda client: client.server_id == server_id)

    async def add_code(self, code: OAuthCode) -> None:
        aware(code.expires_at)
        existing(self._all.clients, code.client_id)
        existing(self._all.users, code.user_id)
        free(code.code_hash in self._all.codes, "That code exists already")
        self._all.codes[code.code_hash] = code

    async def take_code(self, code_hash: str) -> OAuthCode | None:
        return self._all.codes.pop(code_hash, None)


class MemoryRoles(_Repository):
    """Roles and who has them."""

    async def list(self) -> Sequence[Role]:
        return sorted(self._all.roles.values(), key=lambda role: role.name)

    async def replace_all(self, roles: Sequence[Role]) -> None:
        self._all.roles = {role.name: role for role in roles}
        self._all.holders = {held: None for held in self._all.holders if held[0] in self._all.roles}

    async def of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Role]:
        held = sorted(role for role, kind, owner in self._all.holders if (kind, owner) == (owner_kind, owner_id))
        return [self._all.roles[role] for role in held]

    async def of_users(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        return {user_id: [role.name for role in await self.of("user", user_id)] for user_id in user_ids}

    async def assign(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        existing(self._all.roles, role)
        self._all.owner(owner_kind, owner_id)
        self._all.holders[role, owner_kind, owner_id] = None

    async def revoke(self, role: str, owner_kind: OwnerKind, owner_id: int) -> None:
        self._all.holders.pop((role, owner_kind, owner_id), None)

    async def set_holders(self, role: str, owner_kind: OwnerKind, owner_ids: Collection[int]) -> None:
        for held in [held for held in self._all.holders if held[:2] == (role, owner_kind)]:
            del self._all.holders[held]
        for owner_id in owner_ids:
            await self.assign(role, owner_kind, owner_id)


class MemoryServices(_Repository):
    """Services from the configuration."""

    async def get(self, name: str) -> Service | None:
        return next((service for service in self._all.services.values() if service.name == name), None)

    async def by_id(self, service_id: int) -> Service | None:
        return self._all.services.get(service_id)

    async def put(self, name: str, *, admin: bool) -> Service:
        known = await self.get(name)
        service = Service(known.id if known else self._all.next_id("services"), name, admin)
        self._all.services[service.id] = service
        return service

    async def keep_only(self, names: Collection[str]) -> None:
        for service in [service for service in self._all.services.values() if service.name not in names]:
            del self._all.services[service.id]
            self._all.delete_owner("service", service.id)


class MemoryActivity(_Repository):
    """When things were last used."""

    async def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        forward(self._all.users, users)
        forward(self._all.servers, servers)
        forward(self._all.tokens, tokens)


class MemoryTransaction:
    """All of the store within one transaction."""

    def __init__(self, unit: Unit) -> None:
        self.users = MemoryUsers(unit)
        self.accounts = MemoryAccounts(unit)
        self.invitations = MemoryInvitations(unit)
        self.sessions = MemorySessions(unit)
        self.servers = MemoryServers(unit)
        self.progress = MemoryProgress(unit)
        self.tokens = MemoryTokens(unit)
        self.oauth = MemoryOAuth(unit)
        self.roles = MemoryRoles(unit)
        self.services = MemoryServices(unit)
        self.activity = MemoryActivity(unit)


class MemoryStore:
    """The port ``Store``, forgotten with the process."""

    def __init__(self) -> None:
        self._state = State()
        self._turns = Turns()
        self._generation = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Begin a transaction; see the port. Raises RuntimeError if this task is in one already."""
        async with self._turns.turn():
            unit = Unit(self._state.copied())
            try:
                yield MemoryTransaction(unit)
            finally:
                unit.over = True
            self._generation += unit.state != self._state
            self._state = unit.state

    @property
    def generation(self) -> int:
        """How many transactions changed anything."""
        return self._generation

    async def ping(self) -> None:
        """Return; memory always answers."""
