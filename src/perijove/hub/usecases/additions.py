"""Lets the authenticator prepare what users need outside of the hub, such as an account of the system.

It is asked before somebody becomes a user, so that who cannot be prepared becomes none; and about everybody at the
start of the hub, because a restored database, or a new machine, knows people for whom nothing is prepared. So it is
asked about the same person again and again, by several hub processes at once, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from perijove.hub.core.errors import PerijoveError, invalid
from perijove.hub.core.paging import Window
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import SpawnerUser
from perijove.hub.ports.store import UserQuery
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.people import for_plugins

log = structlog.get_logger(__name__)
HOOK_TIMEOUT: Final = 60.0
AT_ONCE: Final = 8
"""How many people the authenticator is asked about at once."""
SLICE: Final = 200


def prepares(authenticator: Authenticator) -> bool:
    """Say whether *authenticator* prepares anything."""
    return type(authenticator).add_user is not Authenticator.add_user


async def prepare_new(
    ctx: Context, authenticator: Authenticator, names: Iterable[str], *, admin: bool | None = None
) -> None:
    """Let *authenticator* prepare those of *names*, normalised, who are no users yet; who is new has no number.

    Raises:
        PerijoveError: INVALID, or what it raises of this kind, if it fails for one of them or does not come back.
    """
    if not prepares(authenticator):
        return
    names = list(names)
    async with ctx.store.transaction() as tx:
        known = await tx.users.named(names)
    missing = [SpawnerUser(0, name, bool(admin)) for name in names if name not in known]
    failures = await _prepare(authenticator, missing)
    if failures:
        raise failures[0]


async def prepare_all(ctx: Context, authenticator: Authenticator) -> None:
    """Let *authenticator* prepare every user; whoever cannot be prepared stays one, and the log tells of it."""
    if not prepares(authenticator):
        return
    window: Window | None = Window(0, SLICE)
    while window is not None:
        async with ctx.store.transaction() as tx:
            page = await tx.users.list(UserQuery(window))
            users = [await for_plugins(ctx, tx, user) for user in page.items if not user.remove_wanted]
        await _prepare(authenticator, users)
        window = page.next


async def _prepare(authenticator: Authenticator, users: Iterable[SpawnerUser]) -> list[PerijoveError]:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def prepare(user: SpawnerUser) -> PerijoveError | None:
        async with at_once:
            try:
                await call_plugin(authenticator.add_user, user, timeout=HOOK_TIMEOUT)
            except Exception as error:
                log.exception("the authenticator could not prepare a user", user=user.name)
                if isinstance(error, PerijoveError):
                    return error
                return invalid(f"The authenticator could not prepare {user.name}; the log says why")
        return None

    answers = await asyncio.gather(*map(prepare, users))
    return [answer for answer in answers if answer is not None]
