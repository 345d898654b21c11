"""A running proxy, raw upstreams behind it and a raw client before it; tests run on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from perijove.proxy.bootstrap import RunningProxy, start
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.settings import ProxySettings

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENCE = 10.0
SETTINGS = ProxySettings(ip="127.0.0.1", port=0, api_ip="127.0.0.1", drain_timeout=0.2, auth_token="secret")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class RawClient:
    """Speaks bytes to a port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)

    async def exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)

    async def until_end(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read an answer with a Content-Length."""
        lines = (await self.head()).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        return int(lines[0].split()[1]), fields, await self.exactly(int(fields.get("content-length", 0)))

    async def get(self, path: str, *fields: str) -> tuple[int, dict[str, str], bytes]:
        head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: h", *fields))
        await self.send(head.encode() + b"\r\n")
        return await self.answer()


class Clients:
    """Opens raw clients and closes them at the end."""

    def __init__(self) -> None:
        self._open: list[RawClient] = []

    async def __call__(self, port: int) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", port))
        self._open.append(client)
        return client

    async def close(self) -> None:
        for client in self._open:
            client.writer.transport.abort()
        for client in self._open:
            try:
                await client.writer.wait_closed()
            except OSError:
                continue


class Upstreams:
    """Runs raw servers; each connection is given to the handler."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connections = 0

    async def __call__(
        self, handler: Handler, *, tls: ssl.SSLContext | None = None, path: Path | None = None, host: str = "127.0.0.1"
    ) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self._writers.add(writer)
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await handler(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.close()

        if path is not None:
            self._servers.append(await asyncio.start_unix_server(serve, path))
            return "unix+http://" + str(path).replace("/", "%2F")
        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        self._servers.append(server)
        name = f"[{host}]" if ":" in host else host
        return f"{'https' if tls else 'http'}://{name}:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in self._writers:
            # Aborting what asyncio has closed already fails; what is closing may still wait to be rid of its bytes.
            if not writer.transport.is_closing() or writer.transport.get_write_buffer_size():
                writer.transport.abort()
        await asyncio.sleep(0.01)


class Proxies:
    """Starts proxies in the running loop and stops them at the end."""

    def __init__(self) -> None:
        self._running: list[RunningProxy] = []

    async def __call__(self, routes: Mapping[str, str] | None = None, **settings: Any) -> RunningProxy:
        """Start a proxy with *routes* (path: target); a route below /user belongs to a user, /hub to the hub."""
        proxy = await start(replace(SETTINGS, **settings))
        self._running.append(proxy)
        for path, url in (routes or {}).items():
            target = parse_target(url)
            assert isinstance(target, Target)
            data: dict[str, object] = {"hub": True} if path.startswith("/hub") else {}
            if path.startswith("/user/"):
                data = {"user": path.split("/")[2]}
            proxy.book.put(proxy.book.key(path), target, data, time.time())
        return proxy

    async def close(self) -> None:
        for proxy in self._running:
            await proxy.stop(0)


@pytest.fixture
async def connect() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstreams]:
    servers = Upstreams()
    yield servers
    await servers.close()


@pytest.fixture
async def start_proxy() -> AsyncIterator[Proxies]:
    proxies = Proxies()
    yield proxies
    await proxies.close()


@pytest.fixture
def echo() -> Handler:
    """An upstream that answers each request with its head and body, until the connection closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = head + await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()

    return handle


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds; fails after ten seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            await asyncio.sleep(0.01)

    return wait
