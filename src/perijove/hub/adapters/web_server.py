"""The hub's web server: an ASGI application on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)
DRAIN_SECONDS = 2
"""How long requests that are being answered may go on when the hub stops."""


class _WebServer(uvicorn.Server):
    """A web server that leaves signals to the hub."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


@contextlib.asynccontextmanager
async def web_server(app: Any, options: JupyterHub, tasks: Tasks) -> AsyncIterator[None]:
    """Serve the ASGI application *app* where *options* say, until the end of the block; *tasks* hold the work.

    Raises:
        PerijoveError: UNAVAILABLE, if it cannot listen there.
    """
    listener = _listen(options)
    config = uvicorn.Config(
        app,
        http=HttpToolsProtocol,
        loop="none",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.1", "::1", *options.trusted_downstream_ips],
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _WebServer(config)
    serving = tasks.spawn(server.serve(sockets=[listener]), "web server")
    while not server.started:
        if serving.done():
            raise PerijoveError(Code.UNAVAILABLE, "The web server did not start; the log says why.")
        await asyncio.sleep(0.01)
    log.info("the hub listens", address=f"{options.hub_ip}:{options.hub_port}")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _listen(options: JupyterHub) -> socket.socket:
    try:
        return socket.create_server(
            (options.hub_ip, options.hub_port),
            family=socket.AF_INET6 if ":" in options.hub_ip else socket.AF_INET,
            backlog=2048,
        )
    except OSError as error:
        raise PerijoveError(
            Code.UNAVAILABLE,
            f"The hub cannot listen on {options.hub_ip}:{options.hub_port} ({error.strerror}). Is another hub running? "
            "Set c.JupyterHub.hub_port to a port that is free.",
        ) from None
