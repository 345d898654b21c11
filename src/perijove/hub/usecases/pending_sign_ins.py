"""Leading browsers elsewhere to sign in, and knowing them again when they are back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perijove.hub.core.pending_sign_ins import (
    IN_ALL,
    KEPT,
    LIFETIME,
    MAX_STATE,
    PER_BROWSER,
    PendingSignIn,
    may_resume,
)
from perijove.hub.core.tokens import hash_token
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.tokens import new_secret


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is known of a browser that is back.

    Attributes:
        data: what was kept with its sign-in; None if it cannot go on with one.
        next_url: where the person wanted to go; empty if that is not known.
        again: which attempt it is if another sign-in is begun now; 0 if nothing is known, so that a person is asked.
    """

    data: Mapping[str, Any] | None = field(default=None, repr=False)
    next_url: str = ""
    again: int = 0


async def begin(ctx: Context, browser: str, data: Mapping[str, Any], next_url: str, attempt: int) -> str:
    """Keep a new sign-in and return its state.

    Args:
        ctx: ports.
        browser: the secret in the browser's cookie.
        data: what the authenticator needs when it is back, checked.
        next_url: where to go on, judged; may be empty.
        attempt: 1 for the first, one more each time it was begun again by itself.
    """
    state = new_secret()
    pending = PendingSignIn(hash_token(state), hash_token(browser), next_url, attempt, ctx.clock.now(), data)
    async with ctx.store.transaction() as tx:
        await tx.pending_sign_ins.add(pending, PER_BROWSER)
    return state


async def resume(ctx: Context, browser: str, state: str) -> Resumed:
    """Return what was kept with the sign-in of that *state*, at most once, and to the browser that began it.

    Args:
        ctx: ports.
        browser: the secret in the browser's cookie; empty if it has none.
        state: what came back.
    """
    whose, now = hash_token(browser) if browser else "", ctx.clock.now()
    async with ctx.store.transaction() as tx:
        pending = await tx.pending_sign_ins.get(hash_token(state)) if 0 < len(state) <= MAX_STATE else None
        if (
            pending is not None
            and may_resume(pending, whose, now)
            and await tx.pending_sign_ins.use(pending.state_hash)
        ):
            return Resumed(pending.data, pending.next_url, pending.attempt + 1)
        if pending is None and whose:
            # The state was lost on the way; the browser's last sign-in is most likely the one.
            latest = await tx.pending_sign_ins.latest_of(whose)
            pending = latest if latest is not None and now < latest.begun + LIFETIME else None
    if pending is None:
        return Resumed()
    # Attempts follow one another quickly where something is wrong; after a long time it is a person's doing.
    return Resumed(None, pending.next_url, pending.attempt + 1 if now < pending.begun + LIFETIME else 1)


async def purge(ctx: Context) -> int:
    """Delete what is of no use any more, and what is too much; return how many."""
    async with ctx.store.transaction() as tx:
        return await tx.pending_sign_ins.purge(ctx.clock.now() - KEPT, IN_ALL)
