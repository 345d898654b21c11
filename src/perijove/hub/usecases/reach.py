"""Whom somebody's scopes reach: the one look-up of a user on whom something is to be done."""

from __future__ import annotations

from perijove.hub.core.errors import not_found
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
