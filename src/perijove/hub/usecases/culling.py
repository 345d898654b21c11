"""Stops servers that nobody uses, or that ran for as long as they may, as `core.culling` decides.

Each hub process sees to the servers that it works on. Before it stops one, it takes in what the proxy saw of its use,
and decides anew from the row in the transaction that stops it. What it cannot find out is a reason to stop nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from msgspec import Struct

from perijove.hub.core.culling import Attention, CullRules, Ending, ending, why_now
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.servers import Server
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.people import for_plugins
from perijove.hub.usecases.remembered import Remembered
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.servers import Servers
from perijove.hub.usecases.spawners import SpawnerFactory, apply_options, made
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)

RULES_TIMEOUT: Final = 10.0
"""Seconds within which functions of the configuration must have said what holds for a server."""
PATIENCE: Final = 1.0
"""The same while somebody waits for a page."""
STOP_PATIENCE: Final = 30.0
"""Seconds after which the next server is stopped though this one is not gone yet."""
MAX_REMEMBERED: Final = 16_384


class _Known(Struct, frozen=True):
    attempt: int
    rules: CullRules


class Culler:
    """What one hub process knows of when servers end by themselves.

    Args:
        ctx: ports.
        servers: stops them.
        activity: what was reported of their use.
        routes: what the proxy saw of it.
        new_spawner: makes a spawner object with the options of the configuration.
        owner: names this process in leases.
    """

    def __init__(
        self,
        ctx: Context,
        servers: Servers,
        activity: Activity,
        routes: Routes,
        *,
        new_spawner: SpawnerFactory,
        owner: str,
    ) -> None:
        self._ctx = ctx
        self._servers = servers
        self._activity = activity
        self._routes = routes
        self._new_spawner = new_spawner
        self._owner = owner
        self._known: Remembered[int, _Known] = Remembered(MAX_REMEMBERED)
        self._attention = Attention()
        self._places = asyncio.Semaphore(1)

    def begin(self, tasks: Tasks, *, every: float, at_once: int) -> None:
        """Look for servers to stop, in the background, if the configuration can say that there are any.

        Args:
            tasks: holds the periodic work.
            every: seconds between two looks.
            at_once: how many servers may be stopping at once.
        """
        options = self._new_spawner(Server(0, 0, "", ""))
        if options.cull_idle_timeout or options.cull_max_age or options.group_overrides or options.apply_user_options:
            self._places = asyncio.Semaphore(at_once)
            tasks.every(every, self.look, "stop what nobody uses")

    async def endings(self, servers: Iterable[Server]) -> Mapping[int, Ending]:
        """Return when those of *servers* will be stopped that will be, by id, as far as that can be found out."""
        found: dict[int, Ending] = {}
        for server in servers:
            rules = await self._rules(server, PATIENCE)
            if rules is not None and (due := ending(server, rules)) is not None:
                found[server.id] = due
        return found

    async def look(self) -> None:
        """Stop what is due among the servers of this process; nothing while its use may have gone unheard."""
        try:
            own = await self._heard()
        except Exception as error:
            self._attention = self._attention.lost()
            log.warning("what servers report cannot be stored; none is stopped by itself", error=repr(error)[:200])
            return
        self._attention = self._attention.looked(self._ctx.clock.now(), self._ctx.clock.monotonic())
        if not (due := [(server, rules) for server in own if (rules := await self._due(server)) is not None]):
            return
        try:
            # The proxy is asked now and then only: its newest word counts before anybody loses a server.
            await self._routes.reconcile()
            await self._activity.flush()
        except Exception as error:
            log.warning("what the proxy saw is not known; no server is stopped by itself", error=repr(error)[:200])
            return
        await asyncio.gather(*(self._stop(server, rules) for server, rules in due))

    async def _heard(self) -> list[Server]:
        """Store what was reported and return the ready servers of this process. Raises PerijoveError UNAVAILABLE."""
        await self._activity.flush()
        async with self._ctx.store.transaction() as tx:
            active = await tx.servers.list_active()
        return [server for server in active if server.ready and server.owner == self._owner]

    async def _due(self, server: Server) -> CullRules | None:
        """Return the rules by which *server* is to be stopped now; None if it is not."""
        rules = await self._rules(server)
        if rules is None or not self._attention.suffices(rules):
            return None
        return rules if why_now(server, rules, self._ctx.clock.now()) is not None else None

    async def _stop(self, server: Server, rules: CullRules) -> None:
        async with self._places:
            now = self._ctx.clock.now()
            why = why_now(server, rules, now)
            try:
                stopped = await self._servers.stop_for(
                    server,
                    by=str(why or ""),
                    remove=rules.remove,
                    only_if=lambda current: (
                        current.attempt == server.attempt
                        and current.owner == self._owner
                        and why_now(current, rules, now) is not None
                    ),
                )
                if stopped.version != server.version:
                    await self._servers.settle(stopped, STOP_PATIENCE)
            except PerijoveError as error:
                log.warning("a server is not stopped yet", server=server.full_name, reason=error.message)

    async def _rules(self, server: Server, seconds: float = RULES_TIMEOUT) -> CullRules | None:
        """Return what holds for *server*; None if it does not run, or if that cannot be found out."""
        if not server.ready:
            return None
        known = self._known.get(server.id)
        if known is None or known.attempt != server.attempt:
            try:
                async with asyncio.timeout(seconds):
                    known = _Known(server.attempt, await self._found_out(server))
            except Exception as error:
                log.warning("when a server ends is not known", server=server.full_name, error=repr(error)[:200])
                return None
            self._known.put(server.id, known)
        return known.rules

    async def _found_out(self, server: Server) -> CullRules:
        """Return what configuration, groups and chosen options say. Raises whatever functions of them raise."""
        spawner = made(self._ctx, self._new_spawner, server)
        if spawner.group_overrides or (spawner.apply_user_options and server.user_options):
            async with self._ctx.store.transaction() as tx:
                user = await tx.users.by_id(server.user_id)
                if user is not None:
                    spawner.user = await for_plugins(self._ctx, tx, user)
            await spawner.apply_group_overrides()
            await apply_options(spawner)
        return spawner.cull_rules
