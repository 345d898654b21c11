"""Ends what runs although no server in the store started it: the other direction of what the life cycle looks after.

The life cycle goes from rows to processes and sees to it that each row has what it says. A process without a row comes
of a store that was restored from a backup or lost what it had confirmed, or of two hubs of which one woke up too late.
"""

from __future__ import annotations

from typing import Final

import structlog

from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.servers import Server
from perijove.hub.ports.runs import FindsRuns
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.spawners import SpawnerFactory
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)
INTERVAL: Final = 300.0
"""Seconds between two looks."""
FIND_TIMEOUT: Final = 60.0
END_TIMEOUT: Final = 60.0
NO_SERVER: Final = Server(0, 0, "", "")


class Strays:
    """What runs and should not."""

    def __init__(self, ctx: Context, new_spawner: SpawnerFactory) -> None:
        """Args: *new_spawner* makes the spawner that is asked what runs."""
        self._ctx = ctx
        self._new_spawner = new_spawner

    def begin(self, tasks: Tasks) -> None:
        """Look now, without anybody waiting for it, and every now and then."""
        tasks.spawn(self.end(), "end what belongs to no server")
        tasks.every(INTERVAL, self.end, "end what belongs to no server")

    async def end(self) -> None:
        """End all runs that no server knows of; nothing happens where that cannot be found out.

        Raises:
            PerijoveError: the store is away.
        """
        spawner = self._new_spawner(NO_SERVER)
        if not isinstance(spawner, FindsRuns):
            return
        try:
            found = set(await call_plugin(spawner.find_runs, timeout=FIND_TIMEOUT))
        except Exception as error:
            log.warning("what runs cannot be found out", error=repr(error)[:200])
            return
        if not found:
            return
        # Read after the look: what ran then was stored before it ran, unless it has been ended since.
        async with self._ctx.store.transaction() as tx:
            active = await tx.servers.list_active()
        for run in sorted(found - {spawner.run_of(server.run_state) for server in active}):
            await self._end(spawner, run)

    async def _end(self, spawner: FindsRuns, run: str) -> None:
        try:
            await call_plugin(spawner.end_run, run, timeout=END_TIMEOUT)
        except Exception as error:
            log.warning("what belongs to no server could not be ended", run=run[:80], error=repr(error)[:200])
            return
        self._ctx.telemetry.emit(DriftFound(Drift.STRAY, f"run {run[:80]}"))
