"""Servers of users, and the stored steps of their starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from perijove.hub.core.paging import Page, Window
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server, State

ServerSort = Literal["name", "last_activity", "started"]


class ServerQuery(Struct, frozen=True):
    """Which servers to list, and in which order.

    Attributes:
        window: which part.
        owners: only servers of these users, of members of *groups* and those *named*, if one of the three is given
            (what the caller may see).
        groups: see *owners*.
        named: ``user/server``; see *owners*.
        states: only servers in these states, if given.
        name_filter: only where the owner's name, the server's or the one for people holds this text, whatever the case
            of its ASCII letters; ``%`` and ``_`` mean themselves.
        sort: by owner and name, or by a time; without times come first when ascending.
        descending: the other way round.
    """

    window: Window
    owners: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    named: frozenset[str] | None = None
    states: frozenset[State] | None = None
    name_filter: str = ""
    sort: ServerSort = "name"
    descending: bool = False

    @property
    def limited(self) -> bool:
        """Whether the caller may see some servers only."""
        return any(given is not None for given in (self.owners, self.groups, self.named))


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

    async def list(self, query: ServerQuery) -> Page[Server]:
        """Return the servers that *query* asks for, and how many there are in all."""
        ...

    async def count_by_state(self) -> Mapping[State, int]:
        """Return how many servers are in each state; states without any may be left out."""
        ...

    async def list_to_remove(self) -> Sequence[Server]:
        """Return the servers whose removal is wanted, by id."""
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

    async def claim_each(
        self, server_ids: Collection[int], owner: str, until: datetime, now: datetime
    ) -> Sequence[Server]:
        """Take or renew these leases, as far as no other hub process holds them; return the servers as stored then."""
        ...

    async def renew(self, owner: str, until: datetime) -> None:
        """Prolong all leases of *owner*."""
        ...

    async def release(self, server_id: int, owner: str) -> None:
        """Give the lease up, if *owner* has it."""
        ...

    async def release_of(self, owner: str) -> None:
        """Give up all leases of *owner*."""
        ...

    async def release_all(self) -> None:
        """End all leases: for a hub that knows to be alone."""
        ...

    async def delete(self, server_id: int) -> None:
        """Delete the server, its token, client, shares and progress."""
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
