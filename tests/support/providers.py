"""An identity provider on a port of its own, for browsers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import uvicorn

from perijove.hub.testing.identity_provider import FakeProvider


@contextlib.contextmanager
def provider_running() -> Iterator[tuple[FakeProvider, str]]:
    """Run a provider until the end of the block; give it, and its address: on another site than hubs on 127.0.0.1."""
    provider = FakeProvider()
    server = uvicorn.Server(uvicorn.Config(provider, port=0, lifespan="off", log_level="warning", ws="none"))
    ready = threading.Event()
    started = server.startup

    async def startup(sockets: object = None) -> None:
        await started()
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(30), "the provider did not start"
    try:
        yield provider, f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
