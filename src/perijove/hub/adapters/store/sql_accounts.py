"""Accounts, invitations and sessions in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, exists, func, insert, select, update

from perijove.hub.adapters.store.endings import end_sessions
from perijove.hub.adapters.store.sql_users import USER, user_of
from perijove.hub.adapters.store.tables import accounts, invitations, sessions, users
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.users import Account, Session, User

_SESSION: Final = (
    select(
        sessions.c.key_hash, sessions.c.session_id, sessions.c.user_id, sessions.c.created, sessions.c.expires, *USER
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.key_hash == bindparam("key_hash"))
)


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
        return None if row is None else (Session(*row[:5]), user_of(row[5:]))

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
