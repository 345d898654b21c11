"""The wish that this hub process ends, from whoever may say so over the API."""

from __future__ import annotations

import asyncio

from perijove.hub.core.events import ShutdownRequested
from perijove.hub.core.principals import Principal
from perijove.hub.usecases.context import Context


class Shutdown:
    """What the hub waits for while it runs, and what it takes along when it ends.

    Attributes:
        wanted: set as soon as the hub shall end.
        servers: whether it stops all servers then.
        proxy: whether it stops the proxy then, if it started it.
        failed: whether it ends because it can do its work no longer.
    """

    def __init__(self, ctx: Context, *, servers: bool, proxy: bool) -> None:
        self._ctx = ctx
        self.wanted = asyncio.Event()
        self.servers = servers
        self.proxy = proxy
        self.failed = False

    def give_up(self) -> None:
        """Let the hub end as one that failed; servers and proxy go on for the next one."""
        self.failed = True
        self.let_go()

    def let_go(self) -> None:
        """Let the hub end, and leave servers and proxy to the next one."""
        self.servers, self.proxy = False, False
        self.wanted.set()

    def ask(self, principal: Principal, *, servers: bool | None = None, proxy: bool | None = None) -> None:
        """Let the hub end; None leaves to the configuration what it takes along. Raises PerijoveError FORBIDDEN."""
        principal.require("shutdown")
        self.servers = self.servers if servers is None else servers
        self.proxy = self.proxy if proxy is None else proxy
        self._ctx.telemetry.emit(ShutdownRequested("hub", self.servers, self.proxy, principal.name))
        self.wanted.set()
