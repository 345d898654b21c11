"""Users, accounts, invitations and sessions of the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from perijove.hub.core.paging import Page
from perijove.hub.core.renaming import renamed
from perijove.hub.core.users import Account, Overview, Session, User
from perijove.hub.ports.store import UserQuery
from perijove.hub.testing.memory_access import MemoryRoles
from perijove.hub.testing.memory_servers import MemoryServers
from perijove.hub.testing.memory_state import Repository, aware, drop, existing, free, page_of, through_json


class MemoryUsers(Repository):
    """Users."""

    async def get(self, name: str) -> User | None:
        return next((self.all.with_groups(user) for user in self.all.users.values() if user.name == name), None)

    async def by_id(self, user_id: int) -> User | None:
        user = self.all.users.get(user_id)
        return None if user is None else self.all.with_groups(user)

    async def named(self, names: Collection[str]) -> Mapping[str, User]:
        return {user.name: self.all.with_groups(user) for user in self.all.users.values() if user.name in names}

    async def list(self, query: UserQuery) -> Page[User]:
        active = {server.user_id for server in self.all.servers.values() if server.active}
        ready = {server.user_id for server in self.all.servers.values() if server.ready}
        fits: dict[str | None, Callable[[User], bool]] = {
            None: lambda user: True,
            "active": lambda user: user.id in active,
            "ready": lambda user: user.id in ready,
            "inactive": lambda user: user.id not in active,
        }
        found = [
            user
            for user in map(self.all.with_groups, self.all.users.values())
            if _visible(user, query)
            and query.name_filter.lower() in user.name
            and fits[query.state](user)
            and query.member_of in {"", *user.groups}
            and query.admin in {None, user.admin}
        ]
        found.sort(key=lambda user: _sort_key(user, query), reverse=query.descending)
        return page_of(found, query.window)

    async def overview(self, query: UserQuery) -> Page[Overview]:
        page = await self.list(query)
        ids = [user.id for user in page.items]
        roles = await MemoryRoles(self.unit).names_of("user", ids)
        servers = await MemoryServers(self.unit).list_of(ids)
        found = [
            Overview(user, roles[user.id], [server for server in servers if server.user_id == user.id])
            for user in page.items
        ]
        return Page(found, page.window, page.total)

    async def names(self, query: UserQuery) -> Sequence[str]:
        return [user.name for user in (await self.list(query)).items]

    async def add(self, name: str, *, admin: bool, now: datetime) -> User:
        aware(now)
        free(await self.get(name) is not None, "A user of that name exists already")
        user = User(self.all.next_id("users"), name, admin, now)
        self.all.users[user.id] = user
        return user

    async def add_many(self, names: Collection[str], *, admin: bool, now: datetime) -> Sequence[User]:
        aware(now)
        taken = {user.name for user in self.all.users.values()}
        free_names = (name for name in dict.fromkeys(names) if name not in taken)
        new = [User(self.all.next_id("users"), name, admin, now) for name in free_names]
        self.all.users.update({user.id: user for user in new})
        return new

    async def rename(self, user_id: int, new_name: str) -> None:
        user = self.all.users.get(user_id)
        if user is None or user.name == new_name:
            return
        free(await self.get(new_name) is not None, "A user of that name exists already")
        free(user.name in self.all.accounts and new_name in self.all.accounts, "An account of that name exists already")
        self.all.users[user_id] = replace(user, name=new_name)
        if (account := self.all.accounts.pop(user.name, None)) is not None:
            self.all.accounts[new_name] = replace(account, name=new_name)
        for server in [server for server in self.all.servers.values() if server.user_id == user_id]:
            self.all.servers[server.id] = replace(server, user_name=new_name)
            self.all.delete_clients_of(server.id)
        for token in list(self.all.tokens.values()):
            own = (token.owner_kind, token.owner_id) == ("user", user_id)
            scopes = renamed(token.scopes, user.name, new_name)
            self.all.tokens[token.id] = replace(token, scopes=scopes, owner_name=new_name if own else token.owner_name)

    async def set_user_info(self, user_id: int, user_info: Mapping[str, object] | None) -> None:
        told = None if user_info is None else through_json(user_info)
        if user := self.all.users.get(user_id):
            self.all.users[user_id] = replace(user, user_info=told)

    async def auth_state(self, user_id: int) -> bytes | None:
        return self.all.auth_states.get(user_id)

    async def set_auth_state(self, user_id: int, encrypted: bytes | None) -> None:
        if encrypted is None:
            self.all.auth_states.pop(user_id, None)
        else:
            existing(self.all.users, user_id)
            self.all.auth_states[user_id] = encrypted

    async def want_removal(self, user_id: int, wanted: bool) -> None:
        if user := self.all.users.get(user_id):
            self.all.users[user_id] = replace(user, remove_wanted=wanted)

    async def list_to_remove(self) -> Sequence[User]:
        return [self.all.with_groups(user) for user in self.all.users.values() if user.remove_wanted]

    async def set_admin(self, user_id: int, admin: bool) -> None:
        if user := self.all.users.get(user_id):
            self.all.users[user_id] = replace(user, admin=admin)

    async def delete(self, user_id: int) -> None:
        user = self.all.users.pop(user_id, None)
        if user is None:
            return
        self.all.accounts.pop(user.name, None)
        for server_id in [server.id for server in self.all.servers.values() if server.user_id == user_id]:
            self.all.delete_server(server_id)
        drop(self.all.codes, lambda code: code.user_id == user_id)
        drop(self.all.sessions, lambda session: session.user_id == user_id)
        drop(self.all.shares, lambda share: share.user_id == user_id)
        self.all.auth_states.pop(user_id, None)
        self.all.memberships = {held: None for held in self.all.memberships if held[0] != user_id}
        self.all.delete_owner("user", user_id)

    async def count(self, *, active_since: datetime | None = None) -> int:
        if active_since is None:
            return len(self.all.users)
        return sum(
            user.last_activity is not None and user.last_activity >= active_since for user in self.all.users.values()
        )


def _visible(user: User, query: UserQuery) -> bool:
    if query.names is None and query.groups is None:
        return True
    return user.name in (query.names or ()) or not (query.groups or frozenset()).isdisjoint(user.groups)


def _sort_key(user: User, query: UserQuery) -> tuple[Any, ...]:
    match query.sort:
        case "name":
            return (user.name,)
        case "last_activity":
            return (user.last_activity is not None, user.last_activity or user.created, user.id)
        case _:
            return (user.id,)


class MemoryAccounts(Repository):
    """Names and passwords."""

    async def any_administrator(self) -> bool:
        admins = {user.name for user in self.all.users.values() if user.admin}
        return any(account.approved and account.name in admins for account in self.all.accounts.values())

    async def get(self, name: str) -> Account | None:
        return self.all.accounts.get(name)

    async def list_waiting(self) -> Sequence[Account]:
        waiting = (account for account in self.all.accounts.values() if not account.approved)
        return sorted(waiting, key=lambda account: (account.created, account.name))

    async def count_waiting(self) -> int:
        return len(await self.list_waiting())

    async def add(self, account: Account) -> None:
        aware(account.created)
        free(account.name in self.all.accounts, "An account of that name exists already")
        self.all.accounts[account.name] = account

    async def approve(self, name: str) -> bool:
        account = self.all.accounts.get(name)
        if account is not None:
            self.all.accounts[name] = replace(account, approved=True)
        return account is not None

    async def set_password(self, name: str, password_hash: str) -> None:
        if account := self.all.accounts.get(name):
            self.all.accounts[name] = replace(account, password_hash=password_hash)

    async def delete(self, name: str) -> None:
        self.all.accounts.pop(name, None)


class MemoryInvitations(Repository):
    """One-time codes."""

    async def replace(self, code_hash: str, now: datetime) -> None:
        aware(now)
        self.all.invitations.clear()
        self.all.invitations[code_hash] = now

    async def redeem(self, code_hash: str) -> bool:
        return self.all.invitations.pop(code_hash, None) is not None

    async def valid(self, code_hash: str) -> bool:
        return code_hash in self.all.invitations


class MemorySessions(Repository):
    """Signed-in browsers."""

    async def get(self, key_hash: str) -> tuple[Session, User] | None:
        session = self.all.sessions.get(key_hash)
        return None if session is None else (session, self.all.with_groups(self.all.users[session.user_id]))

    async def add(self, session: Session) -> None:
        aware(session.created, session.expires)
        existing(self.all.users, session.user_id)
        ids = {other.session_id for other in self.all.sessions.values()}
        free(session.key_hash in self.all.sessions or session.session_id in ids, "That session exists already")
        self.all.sessions[session.key_hash] = session

    async def delete(self, session_id: str) -> None:
        self.all.end_sessions(lambda session: session.session_id == session_id)

    async def delete_all_of(self, user_id: int) -> None:
        self.all.end_sessions(lambda session: session.user_id == user_id)
