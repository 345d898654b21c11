"""Keeps the proxy alive and its table right, by comparing what should be with what is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from perijove.hub.core.errors import PerijoveError, invalid
from perijove.hub.core.events import ProxyMoved, ProxyRestarted, RoutesChanged
from perijove.hub.core.principals import Principal
from perijove.hub.core.routes import Changes, Route, differences, extra_routes, hub_route, service_routes
from perijove.hub.core.site import Site
from perijove.hub.ports.proxy import ChangesRoutesAtOnce, Moves, Proxy
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)
PASSES = 3
"""How often the table is compared again after it was changed: servers come and go meanwhile."""


class Routes:
    """The proxy as the hub sees it."""

    def __init__(self, ctx: Context, proxy: Proxy, activity: Activity, *, site: Site, hub_url: str) -> None:
        self._ctx = ctx
        self._proxy = proxy
        self._activity = activity
        self._site = site
        self._hub_url = hub_url
        self._periodic: list[asyncio.Task[None]] = []

    async def start(self, tasks: Tasks, *, check_interval: float) -> bool:
        """Make the proxy run, with the right routes, and keep it so.

        Args:
            tasks: holds the periodic work.
            check_interval: seconds between two reconciliations of the whole table.

        Returns:
            Whether it was started now; False if it had been running.

        Raises:
            PerijoveError: UNAVAILABLE, if it cannot be started.
        """
        started = bool(await call_plugin(self._proxy.start)) if self._proxy.should_start else False
        try:
            await self.reconcile()
        except BaseException:
            # One that was found running goes on: it has the traffic of running servers.
            if started:
                await self.stop()
            raise
        self._periodic = [tasks.every(check_interval, self.reconcile, "compare the proxy's routes")]
        if self._proxy.should_start:
            look = self._proxy.check_running_interval
            self._periodic.append(tasks.every(look, self.keep_alive, "look whether the proxy runs"))
        return started

    async def keep_alive(self) -> None:
        """Start the proxy again if it is gone, with all its routes."""
        if await call_plugin(self._proxy.is_running):
            return
        began = self._ctx.clock.monotonic()
        log.error("the proxy is gone; starting it again")
        await call_plugin(self._proxy.start)
        await self.reconcile()
        seconds = self._ctx.clock.monotonic() - began
        self._ctx.telemetry.emit(ProxyRestarted(len(await self.observed()), seconds))

    async def reconcile(self) -> Changes:
        """Put the table right, take in what the proxy saw of activity, and return what was changed."""
        done = Changes()
        for _ in range(PASSES):
            changes = await self._compare()
            if not (changes.add or changes.delete):
                break
            self._ctx.telemetry.emit(RoutesChanged(len(changes.add), len(changes.delete)))
            done = Changes(done.add + changes.add, done.delete + changes.delete)
        return done

    async def move(self, principal: Principal, api_url: str, auth_token: str) -> Changes:
        """Take another address or token of the proxy, put its table right and return what was changed.

        Raises:
            PerijoveError: FORBIDDEN; INVALID, if that cannot be; UNAVAILABLE, if no proxy answers there.
        """
        principal.require("proxy")
        if not isinstance(self._proxy, Moves):
            raise invalid("This proxy has no address of its own")
        await self._proxy.move(api_url, auth_token)
        self._ctx.telemetry.emit(ProxyMoved(self._proxy.api_url, principal.name))
        return await self.reconcile()

    async def _compare(self) -> Changes:
        observed = await self.observed()
        async with self._ctx.store.transaction() as tx:
            servers = await tx.servers.list_active()
            services = await tx.services.list()
        for server in servers:
            route = observed.get(self._site.server_routespec(server.user_name, server.name))
            if route is not None and (at := _last_activity(route.data)) is not None:
                self._activity.server_used(server.id, server.user_id, at)
        fixed = [
            *extra_routes(self._site, self._proxy.extra_routes),
            hub_route(self._site, self._hub_url),
            *service_routes(self._site, services),
        ]
        changes = differences(fixed, servers, observed, self._site)
        await self._apply(changes)
        return changes

    async def _apply(self, changes: Changes) -> None:
        proxy = self._proxy
        if isinstance(proxy, ChangesRoutesAtOnce) and len(changes.add) + len(changes.delete) > 1:
            await call_plugin(proxy.change_routes, changes.add, changes.delete)
            return
        for new in changes.add:
            await call_plugin(proxy.add_route, new.routespec, new.target, new.data)
        for routespec in changes.delete:
            await call_plugin(proxy.delete_route, routespec)

    async def observed(self) -> Mapping[str, Route]:
        """Return the table as the proxy has it. Raises PerijoveError UNAVAILABLE."""
        routes: Mapping[str, Route] = await call_plugin(self._proxy.get_all_routes)
        return routes

    async def stop(self) -> None:
        """End the proxy, if it is ours, and let nobody start it again."""
        for task in self._periodic:
            task.cancel()
        await asyncio.gather(*self._periodic, return_exceptions=True)
        try:
            await call_plugin(self._proxy.stop)
        except PerijoveError as error:
            log.warning("the proxy was not stopped", reason=error.message)
        except Exception:
            log.exception("the proxy was not stopped")

    async def close(self) -> None:
        """Let go of the proxy, as it is."""
        try:
            await call_plugin(self._proxy.close)
        except Exception:
            log.exception("the connection to the proxy was not closed")


def _last_activity(data: Mapping[str, Any]) -> datetime | None:
    """Return the time a proxy reports for a route; None if it reports none, or none that can be read."""
    value = data.get("last_activity")
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else None
