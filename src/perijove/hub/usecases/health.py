"""Looks whether what the hub needs works: its database, its proxy, its services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.health import Check
from perijove.hub.core.principals import Principal
from perijove.hub.core.services import Service
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.routes import Routes

PATIENCE: Final = 5.0
"""Seconds within which each part answers."""


class Health:
    """How the parts of the hub are."""

    def __init__(self, ctx: Context, routes: Routes, keeper: Keeper) -> None:
        self._ctx = ctx
        self._routes = routes
        self._keeper = keeper

    def answers(self, service: str) -> bool | None:
        """Say whether a service with a URL answered the last time it was asked; None if it was not asked yet."""
        return self._keeper.answers(service)

    async def look(self, principal: Principal) -> Sequence[Check]:
        """Return how each part is. Raises PerijoveError FORBIDDEN."""
        principal.require("read:hub")
        services: list[Service] = []

        async def database() -> None:
            async with self._ctx.store.transaction() as tx:
                services.extend(await tx.services.list())

        async def proxy() -> None:
            await self._routes.observed()

        database_check = await self._timed(Check("database"), database)
        proxy_check = await self._timed(Check("proxy"), proxy)
        return [database_check, proxy_check, *filter(None, map(self._service, services))]

    async def _timed(self, check: Check, look: Callable[[], Awaitable[None]]) -> Check:
        began = self._ctx.clock.monotonic()
        reason = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await look()
        except PerijoveError as error:
            reason = error.message
        except TimeoutError:
            reason = f"It did not answer within {PATIENCE:g} s"
        return Check(check.part, check.name, not reason, reason, self._ctx.clock.monotonic() - began)

    def _service(self, service: Service) -> Check | None:
        """Return how a service is that the hub runs or looks after; None for any other."""
        if service.command and not self._keeper.pid_of(service.name):
            return Check("service", service.name, False, "It is not running; the hub starts it again")
        answers = self._keeper.answers(service.name)
        if service.url and answers is False:
            return Check("service", service.name, False, f"It does not answer at {service.url}")
        return Check("service", service.name) if service.command or answers else None
