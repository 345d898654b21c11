"""Users."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from perijove.hub.core.paging import Page, Window
from perijove.hub.core.users import Overview, User

UserSort = Literal["id", "name", "last_activity"]
UserState = Literal["active", "ready", "inactive"]


class UserQuery(Struct, frozen=True):
    """Which users to list, and in which order.

    Attributes:
        window: which part.
        names: only these and the members of *groups*, if one of the two is given (what the caller may see).
        groups: only the members of these and *names*, by name, if one of the two is given.
        member_of: only members of the group of that name, if given.
        admin: only administrators, or only others, if given.
        state: active (a server not at rest), ready (a server ready) or inactive (neither), if given.
        name_filter: only names holding this text, whatever its case; ``%`` and ``_`` mean themselves.
        sort: by which field; without times come first when ascending.
        descending: the other way round.
    """

    window: Window
    names: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    member_of: str = ""
    admin: bool | None = None
    state: UserState | None = None
    name_filter: str = ""
    sort: UserSort = "id"
    descending: bool = False


class Users(Protocol):
    """Users by name and id."""

    async def get(self, name: str) -> User | None:
        """Return the user called *name* (normalised)."""
        ...

    async def by_id(self, user_id: int) -> User | None:
        """Return the user with that id."""
        ...

    async def named(self, names: Collection[str]) -> Mapping[str, User]:
        """Return those of these users that exist, by name."""
        ...

    async def list(self, query: UserQuery) -> Page[User]:
        """Return the users that *query* asks for, and how many there are in all."""
        ...

    async def overview(self, query: UserQuery) -> Page[Overview]:
        """Return the users that *query* asks for, each with their roles and servers."""
        ...

    async def names(self, query: UserQuery) -> Sequence[str]:
        """Return the names of the users that *query* asks for: quick, however many they are."""
        ...

    async def add(self, name: str, *, admin: bool, now: datetime) -> User:
        """Store a new user. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def add_many(self, names: Collection[str], *, admin: bool, now: datetime) -> Sequence[User]:
        """Store new users in a few statements, leaving out names that are taken; return the new ones in that order."""
        ...

    async def rename(self, user_id: int, new_name: str) -> None:
        """Call the user *new_name*; nothing happens if there is none.

        Their account goes along, and scopes of tokens that are limited to this user or their servers name them anew.
        The OAuth clients of their servers, and all that was issued to these, go: a start makes them again.
        Raises PerijoveError CONFLICT if the name is taken.
        """
        ...

    async def set_admin(self, user_id: int, admin: bool) -> None:
        """Make the user an administrator, or not."""
        ...

    async def set_user_info(self, user_id: int, user_info: Mapping[str, object] | None) -> None:
        """Replace what the authenticator tells about them. Raises PerijoveError INVALID for what JSON cannot hold."""
        ...

    async def auth_state(self, user_id: int) -> bytes | None:
        """Return what the authenticator keeps about them, as encrypted by the caller; None if there is nothing."""
        ...

    async def set_auth_state(self, user_id: int, encrypted: bytes | None) -> None:
        """Replace it; None forgets it. Raises PerijoveError CONFLICT if there is no such user."""
        ...

    async def want_removal(self, user_id: int, wanted: bool) -> None:
        """Remember that the user is to be deleted once nothing of theirs runs, or not after all."""
        ...

    async def list_to_remove(self) -> Sequence[User]:
        """Return the users whose removal is wanted, by id."""
        ...

    async def delete(self, user_id: int) -> None:
        """Delete the user with servers, tokens, sessions, codes, memberships, shares, role assignments and account."""
        ...

    async def count(self, *, active_since: datetime | None = None) -> int:
        """Return how many there are, or how many of them were active at *active_since* or later."""
        ...
