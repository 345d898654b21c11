"""All of the store together."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from perijove.hub.ports.store.accounts import Accounts, Invitations
from perijove.hub.ports.store.activity import Activity
from perijove.hub.ports.store.attempts import Attempts
from perijove.hub.ports.store.groups import Groups
from perijove.hub.ports.store.leases import Leases
from perijove.hub.ports.store.long_actions import LongActions
from perijove.hub.ports.store.oauth import OAuth
from perijove.hub.ports.store.pending_sign_ins import PendingSignIns
from perijove.hub.ports.store.roles import Roles
from perijove.hub.ports.store.servers import Progress, Servers
from perijove.hub.ports.store.services import Services
from perijove.hub.ports.store.sessions import Sessions
from perijove.hub.ports.store.shares import ShareCodes, Shares
from perijove.hub.ports.store.tokens import Tokens
from perijove.hub.ports.store.users import Users


class Transaction(Protocol):
    """All of the store within one transaction; everything or nothing of it happens."""

    @property
    def users(self) -> Users: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def servers(self) -> Servers: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def oauth(self) -> OAuth: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def services(self) -> Services: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def shares(self) -> Shares: ...
    @property
    def share_codes(self) -> ShareCodes: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def activity(self) -> Activity: ...
    @property
    def long_actions(self) -> LongActions: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def pending_sign_ins(self) -> PendingSignIns: ...


class Unsure:
    """A mark while nobody can tell what others have changed: equal to no other one.

    Attributes:
        last: the mark that would hold if nobody else had changed anything.
    """

    __slots__ = ("last",)

    def __init__(self, last: Hashable) -> None:
        self.last = last


class Store(Protocol):
    """Gives transactions."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that may write; leaving the block commits, an exception rolls back."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that only reads: it sees the store as of one moment, and need not wait for who writes.

        In it, what writes raises RuntimeError, and nothing of it stays.
        """
        ...

    @property
    def generation(self) -> Hashable:
        """A mark that is another one as soon as a transaction changed anything that answers are made of.

        What was derived from the store is good as long as the mark is the one from before it was read. Leases, steps
        of starts, counted attempts and times of last use need not change it. While nobody can tell, it is `Unsure`.
        """
        ...

    async def ping(self) -> None:
        """Return if the database answers. Raises PerijoveError UNAVAILABLE."""
        ...
