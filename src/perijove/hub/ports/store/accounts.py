"""Names and passwords kept by the hub, and the invitations of the first administrator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perijove.hub.core.users import Account


class Accounts(Protocol):
    """Names and passwords kept by the hub."""

    async def any_administrator(self) -> bool:
        """Say whether an administrator has an approved account, and so can sign in."""
        ...

    async def get(self, name: str) -> Account | None:
        """Return the account of *name*."""
        ...

    async def list_waiting(self) -> Sequence[Account]:
        """Return accounts that wait for approval, oldest first."""
        ...

    async def count_waiting(self) -> int:
        """Return how many wait."""
        ...

    async def add(self, account: Account) -> None:
        """Store a new account. Raises PerijoveError CONFLICT if the name is taken."""
        ...

    async def approve(self, name: str) -> bool:
        """Let the account be used; False if there is none."""
        ...

    async def set_password(self, name: str, password_hash: str) -> None:
        """Replace its password."""
        ...

    async def delete(self, name: str) -> None:
        """Forget it; nothing happens if there is none."""
        ...


class Invitations(Protocol):
    """One-time codes with which the first administrator gets in; stored by hash."""

    async def replace(self, code_hash: str, now: datetime) -> None:
        """Make this the only valid code."""
        ...

    async def redeem(self, code_hash: str) -> bool:
        """Use the code up; False if it is not valid (any more)."""
        ...

    async def valid(self, code_hash: str) -> bool:
        """Say whether the code could be redeemed now, without using it up."""
        ...
