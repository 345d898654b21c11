"""The redirect to HTTPS and the metrics, as small servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from perijove.proxy.core.metrics import Snapshot
from perijove.proxy.net.oneshot import OneShot, Respond, metrics_from, redirect_to


async def collect() -> Snapshot:
    return {"requests_web": 7}


async def fail() -> Snapshot:
    raise RuntimeError("a defect")


Start = Callable[[Respond], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Start]:
    servers: list[asyncio.Server] = []
    transports: set[asyncio.Transport] = set()

    async def start(respond: Respond) -> int:
        loop = asyncio.get_running_loop()
        servers.append(await loop.create_server(lambda: OneShot(respond, transports), "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for transport in list(transports):
        transport.abort()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("port", "asked", "location"),
    [
        (443, b"GET /user/a?x=1 HTTP/1.1\r\nHost: hub.tld", b"https://hub.tld/user/a?x=1"),
        (8443, b"GET / HTTP/1.1\r\nHost: hub.tld:80", b"https://hub.tld:8443/"),
        (8443, b"POST /x HTTP/1.1\r\nContent-Length: 9\r\nHost: [::1]:80", b"https://[::1]:8443/x"),
        (443, b"GET http://hub.tld/x HTTP/1.1\r\nHost: hub.tld", b"https://hub.tld/x"),
        (443, b"OPTIONS * HTTP/1.1\r\nHost: hub.tld", b"https://hub.tld/"),
    ],
)
async def test_redirects(serve: Start, connect: Any, port: int, asked: bytes, location: bytes) -> None:
    client = await connect(await serve(redirect_to(port)))
    await client.send(asked + b"\r\n\r\n")
    answer = await client.until_end()
    assert answer.startswith(b"HTTP/1.1 301 Moved Permanently\r\nLocation: " + location + b"\r\n")
    assert answer.endswith(b"Connection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 20000, 431),
    ],
)
async def test_what_names_no_host_leads_nowhere(serve: Start, connect: Any, asked: bytes, status: int) -> None:
    client = await connect(await serve(redirect_to(443)))
    await client.send(asked)
    assert int((await client.until_end()).split()[1]) == status


async def test_metrics(serve: Start, connect: Any) -> None:
    port = await serve(metrics_from(collect))

    async def ask(method: str, path: str) -> tuple[int, bytes]:
        client = await connect(port)
        await client.send(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        head, _, body = (await client.until_end()).partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    status, body = await ask("GET", "/metrics?x=1")
    assert (status, b"\nrequests_web 7\n" in body) == (200, True)
    assert await ask("HEAD", "/metrics") == (200, b"")
    assert (await ask("POST", "/metrics"))[0] == 405
    assert (await ask("GET", "/"))[0] == 404


async def test_a_defect_is_answered(serve: Start, connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = await connect(await serve(metrics_from(fail)))
    await client.send(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.until_end()).startswith(b"HTTP/1.1 500")
    assert "a defect" in caplog.text


async def test_whoever_says_nothing_is_cut_off(serve: Start, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perijove.proxy.net.oneshot.MOST_SECONDS", 0.05)
    client = await connect(await serve(redirect_to(443)))
    await client.send(b"GET /")
    try:
        assert await client.until_end() == b""
    except ConnectionError:
        return
