"""What somebody may give to others: rights, and never more of them than they have themselves."""

from __future__ import annotations

from collections.abc import Iterable

from perijove.hub.core.errors import forbidden
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.scopes import Holder, beyond, expand, undecided
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import memberships
from perijove.wire.scopes import Scope


async def is_boundless(ctx: Context, tx: Transaction, principal: Principal) -> bool:
    """Say whether *principal* may do all that administrators may: a token of one may allow less."""
    role = await tx.roles.get(DEFAULT_ROLES["admin"].name)
    raw = () if role is None else role.scopes
    return principal.admin and not beyond(expand(raw, Holder(), ctx.catalogue), principal.scopes)


async def require_boundless(ctx: Context, tx: Transaction, principal: Principal, what: str) -> None:
    """Return if *principal* may do all that administrators may; *what* is what they are about to do.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    if not await is_boundless(ctx, tx, principal):
        raise forbidden(f"Only administrators can {what}, with a token only if it allows all that they may do")


async def beyond_reach(
    ctx: Context, tx: Transaction, principal: Principal, raw: Iterable[str], holder: Holder | None = None
) -> tuple[Scope, ...]:
    """Return what of the *raw* scopes *principal* may not do, and so not hand on.

    Args:
        ctx: ports.
        tx: to look up groups in.
        principal: whoever hands something on.
        raw: scopes; those that are not known (any more) give nothing.
        holder: for their self filters; without it, what somebody may do with what is their own does not count.
    """
    asked = expand(ctx.catalogue.known(raw), holder or Holder(), ctx.catalogue)
    members = await memberships(tx, undecided(asked, principal.scopes))
    return beyond(asked, principal.scopes, members)
