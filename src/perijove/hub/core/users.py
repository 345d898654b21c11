"""Users, and the accounts of those who sign in with a password that Perijove keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from perijove.hub.core.errors import invalid
from perijove.hub.core.servers import Server

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1024


class User(Struct, frozen=True):
    """A person who may have servers.

    Attributes:
        id: their number, for ever.
        name: normalised.
        admin: whether they are an administrator.
        created: when they came into being.
        last_activity: the latest known use.
        groups: the names of their groups, sorted; read with every user, because rights depend on them.
        user_info: what the authenticator tells everybody about them; any JSON object.
        remove_wanted: whether they are to be deleted as soon as nothing of theirs runs.
    """

    id: int
    name: str
    admin: bool
    created: datetime
    last_activity: datetime | None = None
    groups: tuple[str, ...] = ()
    user_info: Mapping[str, object] | None = None
    remove_wanted: bool = False


class Overview(NamedTuple):
    """A user with what lists show beside them; a tuple, because a list makes hundreds of them.

    Attributes:
        user: who.
        roles: the names of the roles that were given to them, sorted; not those of their groups.
        servers: all of theirs, by name.
    """

    user: User
    roles: Sequence[str]
    servers: Sequence[Server] = ()


class Account(Struct, frozen=True):
    """A name and password kept by the hub.

    Attributes:
        name: normalised.
        password_hash: argon2, in its own text format.
        approved: whether it may be used; until then its owner waits.
        created: when its owner signed up.
    """

    name: str
    password_hash: str
    approved: bool
    created: datetime


class Session(Struct, frozen=True):
    """One browser that is signed in.

    Attributes:
        key_hash: SHA-256 of the cookie's secret, which is nowhere stored.
        session_id: the identifier that tokens issued in this session are tagged with; not a secret.
        user_id: who.
        created: when they signed in.
        expires: when they will be signed out.
    """

    key_hash: str
    session_id: str
    user_id: int
    created: datetime
    expires: datetime


def check_new_password(password: str) -> str:
    """Return *password* if it may become somebody's password.

    Raises:
        PerijoveError: INVALID, if it is shorter than 8 or longer than 1024 characters.
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise invalid(f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
    return password
