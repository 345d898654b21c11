"""What an authenticator keeps about people: encrypted before it reaches the store, decrypted for who may have it.

What cannot be decrypted is as good as not there: a sign-in makes it anew. Nothing of it stands in any message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog

from perijove.hub.core.auth_models import state_bytes
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.context import Context

log = structlog.get_logger(__name__)


def sealed(ctx: Context, state: Mapping[str, Any] | None) -> bytes | None:
    """Return *state* as it is stored; None where there is nothing to store or no key to encrypt it with.

    Raises:
        TypeError: it is no dictionary, or holds what JSON cannot.
        ValueError: it is too long.
    """
    return None if state is None or ctx.encryption is None else ctx.encryption.encrypt(state_bytes(state))


async def auth_state_of(ctx: Context, tx: Transaction, user_id: int) -> dict[str, Any] | None:
    """Return what is kept about a user; None if that is nothing, or nothing that can be read.

    What was encrypted with an older key is stored anew under the newest one.
    """
    stored = None if ctx.encryption is None else await tx.users.auth_state(user_id)
    if stored is None or ctx.encryption is None:
        return None
    try:
        clear, old = ctx.encryption.decrypt(stored)
        state = json.loads(clear)
    except (ValueError, RecursionError):
        log.warning("the state kept for the authenticator cannot be decrypted; it is treated as lost", user_id=user_id)
        return None
    if old:
        await tx.users.set_auth_state(user_id, ctx.encryption.encrypt(clear))
    return state if isinstance(state, dict) else None


class StoredAuthState:
    """The access that plug-ins have to what is kept about one user."""

    def __init__(self, ctx: Context, user_id: int) -> None:
        self._ctx = ctx
        self._user_id = user_id

    async def get(self) -> dict[str, Any] | None:
        """Return it; None if there is nothing that can be read."""
        if self._ctx.encryption is None:
            return None
        async with self._ctx.store.transaction() as tx:
            return await auth_state_of(self._ctx, tx, self._user_id)

    async def put(self, state: Mapping[str, Any] | None) -> None:
        """Replace it; None forgets it. Raises TypeError or ValueError for what cannot be kept."""
        if self._ctx.encryption is None:
            return
        encrypted = sealed(self._ctx, state)
        async with self._ctx.store.transaction() as tx:
            await tx.users.set_auth_state(self._user_id, encrypted)
