"""Whom somebody's scopes reach: the one look-up of a user, or group, on whom something is to be done."""

from __future__ import annotations

from perijove.hub.core.errors import not_found
from perijove.hub.core.groups import Group
from perijove.hub.core.names import normalize_group_name, shorten
from perijove.hub.core.principals import Principal, Target
from perijove.hub.core.users import User
from perijove.hub.ports.store import Transaction


async def reached(tx: Transaction, principal: Principal, *bases: str, name: str, server: str | None = None) -> User:
    """Return the user called *name* if *principal* holds any of *bases* for them, or for their *server*.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND, if there is no such user or the scopes do not reach them.
    """
    user = await tx.users.get(name)
    # Whoever may not know of somebody is told the same whether there is somebody or not.
    principal.require(*bases, user=user or Target(name), server=server)
    if user is None:
        raise not_found("No such user")
    return user


async def reached_group(tx: Transaction, principal: Principal, *bases: str, name: str) -> Group:
    """Return the group called *name* if *principal* holds any of *bases* for it.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND, if there is no such group or the scopes do not reach it.
    """
    normal = normalize_group_name(name)
    principal.require(*bases, group=normal)
    group = await tx.groups.get(normal)
    if group is None:
        raise not_found(f"There is no group {shorten(normal)!r}")
    return group
