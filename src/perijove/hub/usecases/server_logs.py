"""What servers wrote, for those who may look after them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from perijove.hub.core.errors import not_found
from perijove.hub.core.names import shorten
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Server
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.reach import reached

READERS = ("admin:server_state", "access:servers")
"""Whoever sees what the spawner keeps of a server, or may open a terminal in it, may read what it wrote."""


class ServerLogs:
    """The last lines of servers."""

    def __init__(self, ctx: Context, log_of: Callable[[Server], Awaitable[str]]) -> None:
        """Args: *log_of* asks the spawner of a server that is not at rest for its last lines."""
        self._ctx = ctx
        self._log_of = log_of

    async def read(self, principal: Principal, user_name: str, name: str) -> str:
        """Return the last lines of a server: of the running one, else those with which the last one failed.

        Raises:
            PerijoveError: FORBIDDEN or NOT_FOUND.
        """
        principal.require_some(*READERS)
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, *READERS, name=user_name, server=name)
            server = await tx.servers.get(user.id, name)
        if server is None and name:
            raise not_found(f"{user_name} has no server named {shorten(name)!r}")
        if server is not None and server.active:
            return await self._log_of(server)
        return server.failure.log if server is not None and server.failure is not None else ""
