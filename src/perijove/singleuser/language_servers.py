"""JupyterLab's look for language servers, put off until somebody asks for one.

Its extension `jupyter_lsp` looks through what is installed as soon as a server runs, and asks npm if there is one: with
that, it takes longer than all the rest of a start. Who needs what it finds waits for `LanguageServerManager.ready`.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any


class PutOff:
    """One look that is begun when both are there: somebody who asks, and the server that it is for."""

    def __init__(self, look: Callable[..., object]) -> None:
        """Args: *look* is the extension's own, called in the event loop of the server."""
        self._look = look
        self._begin: Callable[[], object] | None = None
        self._asked = False

    def put_off(self, app: Any, *args: object) -> None:
        """Take the place of the extension's look at *app*."""
        self._begin = lambda: app.io_loop.add_callback(self._look, app, *args)
        self._go()

    def when_asked(self, ready: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """Return *ready*, which waits for the end of the look, so that it begins it."""

        async def asked() -> object:
            self._asked = True
            self._go()
            return await ready()

        return asked

    def _go(self) -> None:
        if self._asked and self._begin is not None:
            begin, self._begin = self._begin, None
            begin()


@contextmanager
def language_servers_put_off(app: Any) -> Iterator[None]:
    """Put the look off if the extension is loaded into the server *app* within the block."""
    try:
        serverextension = importlib.import_module("jupyter_lsp.serverextension")
    except ImportError:
        yield
        return
    look = PutOff(serverextension.initialize)
    own = serverextension.initialize
    serverextension.initialize = look.put_off  # type: ignore[attr-defined]
    try:
        yield
    finally:
        serverextension.initialize = own  # type: ignore[attr-defined]
    manager = getattr(app, "language_server_manager", None)
    if manager is not None:
        manager.ready = look.when_asked(manager.ready)
