"""Deletes servers and users for good, with what their spawners and the authenticator keep for them.

The wish is stored before anything is done about it, and everything here may be done twice: whatever a hub that was
killed left of it, the next one finishes.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from perijove.hub.core.servers import Server
from perijove.hub.core.users import User
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import Spawner
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.signals import Signals

log = structlog.get_logger(__name__)
HOOK_TIMEOUT = 60.0
TRIES = 3
"""How often a spawner is asked to delete what it keeps before the server goes without that."""


class Removal:
    """What is to be deleted, deleted."""

    def __init__(
        self, ctx: Context, authenticator: Authenticator, signals: Signals, spawner: Callable[[Server], Spawner]
    ) -> None:
        """Args: *spawner* gives the spawner object of a server."""
        self._ctx = ctx
        self._authenticator = authenticator
        self._signals = signals
        self._spawner = spawner

    async def server(self, server: Server) -> None:
        """Delete *server*, which is at rest and whose removal is wanted; with the last one its owner, if wanted.

        Raises:
            PerijoveError: the store is away.
        """
        await self._delete_forever(server)
        async with self._ctx.store.transaction() as tx:
            current = await tx.servers.by_id(server.id)
            if current is not None and current.remove_wanted and not current.active:
                await tx.servers.delete(server.id)
            owner = await tx.users.by_id(server.user_id)
        self._signals.notify(server.id)
        if owner is not None and owner.remove_wanted:
            await self.user(owner)

    async def _delete_forever(self, server: Server) -> None:
        """Let the spawner delete what it keeps for *server* beyond its runs. One that cannot holds nobody up."""
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                await call_plugin(self._spawner(server).delete_forever, timeout=HOOK_TIMEOUT)
                return
            except TimeoutError:
                log.exception("the spawner does not come back from deleting what it keeps", server=server.full_name)
                return
            except Exception as error:
                tell = log.error if last else log.warning
                tell("what the spawner keeps for a server was not deleted", server=server.full_name, exc_info=error)

    async def user(self, user: User) -> None:
        """Delete *user*, whose removal is wanted, unless they still have a server; their servers go first.

        Raises:
            PerijoveError: the store is away.
        """
        async with self._ctx.store.transaction() as tx:
            current = await tx.users.by_id(user.id)
            if current is None or not current.remove_wanted or await tx.servers.list_of([user.id]):
                return
            await tx.users.delete(user.id)
        try:
            await call_plugin(self._authenticator.delete_user, current, timeout=HOOK_TIMEOUT)
        except Exception:
            log.exception("the authenticator failed to clean up after a user", user=current.name)

    async def sweep(self) -> None:
        """Delete the users that an earlier hub process was about to delete."""
        async with self._ctx.store.transaction() as tx:
            wanted = await tx.users.list_to_remove()
        for user in wanted:
            await self.user(user)
