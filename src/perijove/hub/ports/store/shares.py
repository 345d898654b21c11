"""Shares of servers, and codes that become shares."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from perijove.hub.core.paging import Page, Window
from perijove.hub.core.shares import Share, ShareCode


class ShareQuery(Struct, frozen=True):
    """Which shares or share codes to list, by id; every condition that is given must hold.

    Attributes:
        window: which part.
        now: what is over by then is left out.
        owner_id: only those of this user's servers.
        server_id: only those of this server.
        user_id: only those with this user, or with a group of theirs; has no meaning for codes.
        group_id: only those with this group; has no meaning for codes.
    """

    window: Window
    now: datetime
    owner_id: int | None = None
    server_id: int | None = None
    user_id: int | None = None
    group_id: int | None = None


class Shares(Protocol):
    """Access to servers that users and groups have; one share at most for a server and a user or group."""

    async def list(self, query: ShareQuery) -> Page[Share]:
        """Return the shares that *query* asks for, and how many there are in all."""
        ...

    async def with_user(self, server_id: int, user_id: int) -> Share | None:
        """Return what of the server is shared with the user themselves; an expired share too."""
        ...

    async def with_group(self, server_id: int, group_id: int) -> Share | None:
        """Return what of the server is shared with the group; an expired share too."""
        ...

    async def put(self, share: Share) -> Share:
        """Store the share, or change scopes and expiry of the one there is; return it with its id and names as stored.

        Raises PerijoveError CONFLICT if the server, user or group does not exist, and ValueError unless it is for a
        user or for a group.
        """
        ...

    async def delete(self, share_id: int) -> None:
        """Revoke it."""
        ...

    async def delete_of_server(self, server_id: int) -> int:
        """Revoke all shares of a server; return how many."""
        ...

    async def scopes_for_user(self, user_id: int, now: datetime) -> Collection[str]:
        """Return all that is shared with the user, groups included, as scopes limited to the servers; one statement."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete shares and share codes that are over; return how many."""
        ...


class ShareCodes(Protocol):
    """Codes that become shares, by hash."""

    async def list(self, query: ShareQuery) -> Page[ShareCode]:
        """Return the codes that *query* asks for, and how many there are in all."""
        ...

    async def by_hash(self, code_hash: str) -> ShareCode | None:
        """Return the code; expired ones too."""
        ...

    async def get(self, code_id: int) -> ShareCode | None:
        """Return the code with that id; expired ones too."""
        ...

    async def add(self, code: ShareCode) -> ShareCode:
        """Store a new code and return it with its id and names as stored.

        Raises PerijoveError CONFLICT if its hash is known or the server does not exist.
        """
        ...

    async def exchanged(self, code_id: int, now: datetime) -> None:
        """Count one use of it."""
        ...

    async def delete(self, code_id: int) -> None:
        """Revoke it; shares made with it stay."""
        ...

    async def delete_of_server(self, server_id: int) -> int:
        """Revoke all codes of a server; return how many."""
        ...
