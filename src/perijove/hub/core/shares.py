"""Shares: access to one server, given by its owner to another user or to a group; and codes that become such access.

Both belong to the server itself, by id, and hold scopes without a filter, because every one of them is limited to that
server. So neither a new name of the owner nor somebody else who takes the old one changes to what they give access.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from perijove.hub.core.errors import invalid
from perijove.hub.core.scopes import Catalogue
from perijove.wire.scopes import Scope, ScopeSyntaxError, parse_scope

DEFAULT_SCOPES: Final = ("access:servers",)
"""What is given if nobody says what."""

MAX_SCOPES: Final = 100
MIN_LIFETIME: Final = 60
MAX_LIFETIME: Final = 365 * 86_400
DEFAULT_LIFETIME: Final = 86_400
"""How long a code is accepted, in seconds, if nobody says how long."""


class Share(Struct, frozen=True):
    """Access to a server that a user or a group has.

    Attributes:
        id: its number, for ever.
        server_id: the server.
        owner_name: its owner's name now.
        server_name: its name; empty for the default server.
        scopes: what is allowed, without filters, sorted.
        created: when.
        user_id: who has it; None if a group has it.
        user_name: that user's name; empty if a group has it.
        group_id: which group has it; None if a user has it.
        group_name: that group's name; empty if a user has it.
        expires: from when it gives nothing; None for never.
    """

    id: int
    server_id: int
    owner_name: str
    server_name: str
    scopes: tuple[str, ...]
    created: datetime
    user_id: int | None = None
    user_name: str = ""
    group_id: int | None = None
    group_name: str = ""
    expires: datetime | None = None

    @property
    def limited_scopes(self) -> tuple[str, ...]:
        """The scopes as they are on the wire, each limited to the server."""
        return limited(self.scopes, self.owner_name, self.server_name)


class ShareCode(Struct, frozen=True):
    """A code with which whoever knows it gets access to a server.

    Attributes:
        id: its number, for ever; ``sc_<id>`` on the wire.
        code_hash: SHA-256 of the code.
        server_id: the server.
        owner_name: its owner's name now.
        server_name: its name; empty for the default server.
        scopes: what is allowed, without filters, sorted.
        created: when.
        expires: from when it is not accepted.
        exchange_count: how often it was used.
        last_exchanged: when it was last used.
    """

    id: int
    code_hash: str
    server_id: int
    owner_name: str
    server_name: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime
    exchange_count: int = 0
    last_exchanged: datetime | None = None

    @property
    def api_id(self) -> str:
        """Its id on the wire."""
        return f"sc_{self.id}"

    @property
    def limited_scopes(self) -> tuple[str, ...]:
        """The scopes as they are on the wire, each limited to the server."""
        return limited(self.scopes, self.owner_name, self.server_name)


def limited(bases: Iterable[str], owner_name: str, server_name: str) -> tuple[str, ...]:
    """Return scopes without a filter as scopes for one server."""
    return tuple(str(Scope(base, "server", f"{owner_name}/{server_name}")) for base in bases)


def without_filters(asked: Sequence[str], owner_name: str, server_name: str) -> tuple[str, ...]:
    """Return scopes that somebody wrote down for one server as they are stored: each once, without a filter.

    Raises:
        PerijoveError: INVALID for too many, for what is no scope, and for any limit but that server.
    """
    if len(asked) > MAX_SCOPES:
        raise invalid(f"At most {MAX_SCOPES} scopes")
    bases = []
    for text in asked:
        try:
            scope = parse_scope(text)
        except ScopeSyntaxError as error:
            raise invalid(str(error)) from None
        if scope.kind and (scope.kind, scope.value) != ("server", f"{owner_name}/{server_name}"):
            raise invalid(f"Only scopes of the server itself can be shared, not {text[:80]!r}")
        bases.append(scope.base)
    return tuple(sorted(set(bases)))


def rights(bases: Iterable[str], owner_name: str, server_name: str, catalogue: Catalogue) -> frozenset[Scope]:
    """Return what *bases* allow with the server, everything they contain included: what the giver must hold.

    Raises:
        PerijoveError: INVALID for scopes that do not exist, or that stand for others and take no filter.
    """
    given = {catalogue.parse(text) for text in limited(bases, owner_name, server_name)}
    return frozenset(given.union(*(catalogue.with_contained(scope) for scope in given)))


def code_expiry(expires_in: int, now: datetime) -> datetime:
    """Return when a code made now is over. Raises PerijoveError INVALID outside of what is allowed."""
    if not MIN_LIFETIME <= expires_in <= MAX_LIFETIME:
        raise invalid(f"expires_in must be from {MIN_LIFETIME} to {MAX_LIFETIME} seconds")
    return now + timedelta(seconds=expires_in)
