"""What the store's contract stores, and short ways to store it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.paging import Window
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server, State
from perijove.hub.core.shares import Share, ShareCode
from perijove.hub.core.tokens import Token
from perijove.hub.core.users import Session, User
from perijove.hub.ports.store import Transaction

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, UTC)
SECOND = timedelta(seconds=1)
HUGE = 2**70
ALL = Window(0, 1000)


async def add_user(tx: Transaction, name: str = "ada") -> User:
    """Store a user."""
    return await tx.users.add(name, admin=False, now=NOW)


def token(owner: User, secret: str = "t1", **values: Any) -> Token:
    """Return a token of *owner* that is not stored yet."""
    return Token(0, secret, "user", owner.id, owner.name, ("self", "read:users!user=x"), NOW, **values)


def session(user: User, key: str = "k1", **values: Any) -> Session:
    """Return a session of *user*, with the id ``s-<key>``, that is not stored yet."""
    new = Session(key, f"s-{key}", user.id, created=NOW, expires=NOW + SECOND)
    return replace(new, **values)


def client(server: Server, client_id: str = "c1") -> OAuthClient:
    """Return an OAuth client for *server* that is not stored yet."""
    about = "Ada's server"
    return OAuthClient(client_id, "hash", "/cb", about, server.id, server.full_name, allowed_scopes=("list:users",))


def code(user: User, secret: str = "o1", **values: Any) -> OAuthCode:
    """Return a code for *user*, issued to the client ``c1``, that is not stored yet."""
    new = OAuthCode(secret, "c1", user.id, "s-k1", ("self",), redirect_uri="/cb", expires_at=NOW + SECOND)
    return replace(new, **values)


def share(server: Server, **values: Any) -> Share:
    """Return a share of *server* that is not stored yet; say with which ``user_id`` or ``group_id``."""
    return Share(0, server.id, server.user_name, server.name, ("access:servers",), NOW, **values)


def share_code(server: Server, secret: str = "x1", **values: Any) -> ShareCode:
    """Return a share code for *server* that is not stored yet."""
    new = ShareCode(0, secret, server.id, server.user_name, server.name, ("access:servers",), NOW, NOW + SECOND)
    return replace(new, **values)


def step(server: Server, attempt: int = 1, message: str = "Starting") -> ProgressEvent:
    """Return a progress event that is not stored yet."""
    return ProgressEvent(0, server.id, attempt, NOW, 10, message)


@contextmanager
def refused(wanted: Code) -> Iterator[None]:
    """Expect a `PerijoveError` of that code."""
    with pytest.raises(PerijoveError) as caught:
        yield
    assert caught.value.code is wanted


async def server_in(tx: Transaction, user: User, state: State, name: str = "") -> Server:
    """Store a server in *state*."""
    server = replace(await tx.servers.add(user.id, name), state=state, attempt=1, version=1)
    await tx.servers.save(server)
    return server
