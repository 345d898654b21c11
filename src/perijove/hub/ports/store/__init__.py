"""The store: the only truth. One use case opens one transaction; plug-ins are awaited outside it.

Every method may raise `PerijoveError` with code UNAVAILABLE when the database is away; what else one raises it says.
Values that go in and come out are the frozen dataclasses of ``hub.core``; times are UTC with their time zone.
"""

from __future__ import annotations

from perijove.hub.ports.store.accounts import Accounts, Invitations
from perijove.hub.ports.store.activity import Activity
from perijove.hub.ports.store.attempts import Attempts
from perijove.hub.ports.store.groups import GroupQuery, Groups
from perijove.hub.ports.store.leases import Leases
from perijove.hub.ports.store.long_actions import LongActions
from perijove.hub.ports.store.oauth import OAuth
from perijove.hub.ports.store.pending_sign_ins import PendingSignIns
from perijove.hub.ports.store.roles import Roles
from perijove.hub.ports.store.servers import Progress, ServerQuery, Servers, ServerSort
from perijove.hub.ports.store.services import Services
from perijove.hub.ports.store.sessions import Sessions
from perijove.hub.ports.store.shares import ShareCodes, ShareQuery, Shares
from perijove.hub.ports.store.tokens import OwnerKind, Tokens
from perijove.hub.ports.store.transaction import Store, Transaction, Unsure
from perijove.hub.ports.store.users import UserQuery, Users, UserSort, UserState

__all__ = [
    "Accounts",
    "Activity",
    "Attempts",
    "GroupQuery",
    "Groups",
    "Invitations",
    "Leases",
    "LongActions",
    "OAuth",
    "OwnerKind",
    "PendingSignIns",
    "Progress",
    "Roles",
    "ServerQuery",
    "ServerSort",
    "Servers",
    "Services",
    "Sessions",
    "ShareCodes",
    "ShareQuery",
    "Shares",
    "Store",
    "Tokens",
    "Transaction",
    "Unsure",
    "UserQuery",
    "UserSort",
    "UserState",
    "Users",
]
