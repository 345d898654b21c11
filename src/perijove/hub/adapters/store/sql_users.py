"""Users, accounts, invitations and sessions in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, insert, select, update

from perijove.hub.adapters.store.endings import delete_client_tokens, end_sessions
from perijove.hub.adapters.store.tables import MAX_ID, accounts, invitations, servers, sessions, users, within
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.paging import Page
from perijove.hub.core.servers import AT_REST, State
from perijove.hub.core.users import Account, Session, User
from perijove.hub.ports.store import UserQuery

_USER: Final = (users.c.id, users.c.name, users.c.admin, users.c.created, users.c.last_activity)
_BY_NAME: Final = select(*_USER).where(users.c.name == bindparam("name"))
_BY_ID: Final = select(*_USER).where(users.c.id == bindparam("id"))
_SESSION: Final = (
    select(
        sessions.c.key_hash, sessions.c.session_id, sessions.c.user_id, sessions.c.created, sessions.c.expires, *_USER
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.key_hash == bindparam("key_hash"))
)


def _user(values: Sequence[Any]) -> User:
    return User(*values)


def _session(values: Sequence[Any]) -> Session:
    return Session(*values)


class SqlUsers(Repository):
    """Users."""

    @in_worker
    def get(self, name: str) -> User | None:
        row = self.connection.execute(_BY_NAME, {"name": name}).one_or_none()
        return None if row is None else User(*row)

    @in_worker
    def by_id(self, user_id: int) -> User | None:
        row = self.connection.execute(_BY_ID, {"id": user_id}).one_or_none() if user_id <= MAX_ID else None
        return None if row is None else User(*row)

    @in_worker
    def list(self, query: UserQuery) -> Page[User]:
        conditions = list(_conditions(query))
        total = self.connection.scalar(select(func.count()).select_from(users).where(*conditions)) or 0
        page = (
            select(*_USER)
            .where(*conditions)
            .order_by(*_order(query))
            .limit(min(query.window.limit, MAX_ID))
            .offset(min(query.window.offset, MAX_ID))
        )
        return Page([User(*row) for row in self.connection.execute(page)], query.window, total)

    @in_worker
    def add(self, name: str, *, admin: bool, now: datetime) -> User:
        return User(self.insert(users, {"name": name, "admin": admin, "created": now}), name, admin, now)

    @in_worker
    def set_admin(self, user_id: int, admin: bool) -> None:
        self.connection.execute(update(users).where(users.c.id == user_id).values(admin=admin))

    @in_worker
    def delete(self, user_id: int) -> None:
        name = select(users.c.name).where(users.c.id == user_id).scalar_subquery()
        self.connection.execute(delete(accounts).where(accounts.c.name == name))
        delete_client_tokens(self.connection, servers.c.user_id == user_id)
        self.connection.execute(delete(users).where(users.c.id == user_id))

    @in_worker
    def count(self) -> int:
        return self.connection.scalar(select(func.count()).select_from(users)) or 0


def _conditions(query: UserQuery) -> Sequence[ColumnElement[bool]]:
    """Return what a user must be to be among those asked for."""
    conditions: list[ColumnElement[bool]] = []
    if query.names is not None:
        conditions.append(within(users.c.name, query.names))
    if query.name_filter:
        conditions.append(func.instr(users.c.name, query.name_filter.lower()) > 0)
    owners = select(servers.c.user_id)
    active = owners.where(servers.c.state.not_in(sorted(AT_REST)))
    match query.state:
        case "active":
            conditions.append(users.c.id.in_(active))
        case "ready":
            conditions.append(users.c.id.in_(owners.where(servers.c.state == State.READY)))
        case "inactive":
            conditions.append(users.c.id.not_in(active))
        case None:
            pass
    return conditions


def _order(query: UserQuery) -> Sequence[ColumnElement[Any]]:
    """Return what to sort by; the id decides between equals, in the same direction."""
    columns = [users.c.id] if query.sort == "id" else [users.c[query.sort], users.c.id]
    if query.descending:
        return [column.desc().nulls_last() if column.nullable else column.desc() for column in columns]
    return [column.asc().nulls_first() if column.nullable else column.asc() for column in columns]


class SqlAccounts(Repository):
    """Names and passwords."""

    @in_worker
    def any_administrator(self) -> bool:
        known = exists().where(users.c.admin, accounts.c.name == users.c.name, accounts.c.approved)
        return bool(self.connection.scalar(select(known)))

    @in_worker
    def get(self, name: str) -> Account | None:
        row = self.connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
        return None if row is None else Account(*row)

    @in_worker
    def list_waiting(self) -> Sequence[Account]:
        waiting = select(accounts).where(~accounts.c.approved).order_by(accounts.c.created, accounts.c.name)
        return [Account(*row) for row in self.connection.execute(waiting)]

    @in_worker
    def count_waiting(self) -> int:
        return self.connection.scalar(select(func.count()).select_from(accounts).where(~accounts.c.approved)) or 0

    @in_worker
    def add(self, account: Account) -> None:
        self.connection.execute(
            insert(accounts),
            {
                "name": account.name,
                "password_hash": account.password_hash,
                "approved": account.approved,
                "created": account.created,
            },
        )

    @in_worker
    def approve(self, name: str) -> bool:
        return bool(
            self.connection.execute(update(accounts).where(accounts.c.name == name).values(approved=True)).rowcount
        )

    @in_worker
    def set_password(self, name: str, password_hash: str) -> None:
        self.connection.execute(update(accounts).where(accounts.c.name == name).values(password_hash=password_hash))

    @in_worker
    def delete(self, name: str) -> None:
        self.connection.execute(delete(accounts).where(accounts.c.name == name))


class SqlInvitations(Repository):
    """One-time codes."""

    @in_worker
    def replace(self, code_hash: str, now: datetime) -> None:
        self.connection.execute(delete(invitations))
        self.connection.execute(insert(invitations), {"code_hash": code_hash, "created": now})

    @in_worker
    def redeem(self, code_hash: str) -> bool:
        return bool(self.connection.execute(delete(invitations).where(invitations.c.code_hash == code_hash)).rowcount)

    @in_worker
    def valid(self, code_hash: str) -> bool:
        return bool(self.connection.scalar(select(exists().where(invitations.c.code_hash == code_hash))))


class SqlSessions(Repository):
    """Signed-in browsers."""

    @in_worker
    def get(self, key_hash: str) -> tuple[Session, User] | None:
        row = self.connection.execute(_SESSION, {"key_hash": key_hash}).one_or_none()
        return None if row is None else (_session(row[:5]), _user(row[5:]))

    @in_worker
    def add(self, session: Session) -> None:
        self.connection.execute(
            insert(sessions),
            {
                "key_hash": session.key_hash,
                "session_id": session.session_id,
                "user_id": session.user_id,
                "created": session.created,
                "expires": session.expires,
            },
        )

    @in_worker
    def delete(self, session_id: str) -> None:
        end_sessions(self.connection, sessions.c.session_id == session_id)

    @in_worker
    def delete_all_of(self, user_id: int) -> None:
        end_sessions(self.connection, sessions.c.user_id == user_id)
