"""A hub for pictures of pages: always the same people, servers and hours, behind a real listener for a real browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import uvicorn
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext
from tests.support.gallery_data import (
    FORM,
    MIB,
    NOW,
    SERVICES,
    TEMPLATE_VARS,
    Reader,
    elsewhere,
    fill,
    invite,
    options,
    several_ways,
)

from perijove.hub.core.admission import Limits
from perijove.hub.core.usage import Usage
from perijove.hub.testing.fakes import FakeSpawner, FakeWorld
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.security import SESSION_COOKIE
from perijove.hub.web.state import PluginInfo

Kind: TypeAlias = Literal["usual", "new", "several", "elsewhere"]


@dataclass(slots=True)
class Gallery:
    """The hub, which runs in a thread of its own.

    Attributes:
        url: where it listens, with the hub's prefix.
    """

    url: str
    _hub: RunningHub
    _loop: asyncio.AbstractEventLoop

    def context(self, browser: Browser, name: str = "", locale: str = "en-GB", scripts: bool = True) -> BrowserContext:
        """Return a browser profile in which *name* is signed in, nobody if empty, at the hour of the pictures."""
        context = browser.new_context(locale=locale, java_script_enabled=scripts, timezone_id="UTC")
        context.clock.set_fixed_time(NOW)
        if name:
            session = asyncio.run_coroutine_threadsafe(self._hub.session(name), self._loop).result(30)
            cookie = {"name": SESSION_COOKIE, "value": session.key, "domain": "127.0.0.1", "path": self._hub.prefix}
            context.add_cookies([cookie])  # type: ignore[list-item] # a typed dictionary with these keys
        return context


@contextmanager
def gallery(kind: Kind) -> Iterator[Gallery]:
    """Run the hub until the end of the block.

    Args:
        kind: whether it is the usual one; or a new one, which waits for its first administrator; or one with several
            ways to sign in, an announcement and terms; or one where people sign in elsewhere.
    """
    ready: Future[Gallery] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(ready, stop, kind)), name="gallery")
    thread.start()
    try:
        yield ready.result(60)
    finally:
        stop.set()
        thread.join(60)


async def _serve(ready: Future[Gallery], stop: threading.Event, kind: Kind) -> None:
    world = FakeWorld()

    class DockerSpawner(FakeSpawner):
        options_form = FORM
        cull_idle_timeout = 8 * 3600.0

        async def usage(self) -> Usage:
            return Usage(412 * MIB, 2048 * MIB)

    DockerSpawner.world = world
    try:
        async with running_hub(
            spawner_class=DockerSpawner,
            limits=Limits(concurrent_starts=1),
            authenticator={"several": several_ways, "elsewhere": elsewhere}.get(kind, lambda: None)(),
            keeps_accounts=kind in {"usual", "new"},
            services=SERVICES,
            audit=Reader(),
            options=options(),
            info=PluginInfo("perijove.hub.adapters.authenticators.password.PasswordAuthenticator", "0.1.0"),
        ) as hub:
            if kind == "usual":
                await fill(hub, world)
            elif kind == "new":
                await invite(hub)
            elif kind == "several":
                hub.app.state.hub = replace(hub.state, template_vars=TEMPLATE_VARS)
            server = uvicorn.Server(uvicorn.Config(hub.app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            ready.set_result(Gallery(f"http://127.0.0.1:{port}", hub, asyncio.get_running_loop()))
            await asyncio.to_thread(stop.wait)
            server.should_exit = server.force_exit = True
            await serving
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
        raise
