"""Kills with signal 9 under load: of a proxy, whose place another takes at once, and of what drives it by its API."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.support.proxies import run_proxy

CLIENTS = 20
BODY = b"x" * 50_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Backend:
    """Answers every request at once, but one for /slow only with half an answer."""

    def __init__(self) -> None:
        self.open = 0
        self.slow = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/slow" in head:
                    writer.write(ANSWER[:1000])
                    self.slow.set()
                elif b"/ws" in head:
                    writer.write(b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    while line := await reader.readline():
                        writer.write(line)
                else:
                    writer.write(ANSWER)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def ask_until_cut(port: int, counts: list[int], number: int) -> None:
    """Ask again and again; every answer is whole until the connection breaks off, and then nothing looks whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(b"GET /fast HTTP/1.1\r\nHost: h\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert await reader.readexactly(len(BODY)) == BODY
            counts[number] += 1
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.transport.abort()


async def test_clients_see_their_connection_cut_and_nothing_that_looks_whole(tmp_path: Path) -> None:
    backend = Backend()
    server = await asyncio.start_server(backend, "127.0.0.1", 0)
    target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    counts = [0] * CLIENTS
    async with asyncio.timeout(40), run_proxy(tmp_path, target) as proxy:
        load = [asyncio.create_task(ask_until_cut(proxy.port, counts, number)) for number in range(CLIENTS)]
        slow_reader, slow_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        slow_writer.write(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await backend.slow.wait()
        ws_reader, ws_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        ws_writer.write(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await ws_reader.readuntil(b"\r\n\r\n")
        while min(counts) < 5:
            await asyncio.sleep(0.01)
        proxy.process.kill()
        assert await proxy.process.wait() == -9
        await asyncio.gather(*load)

        # Half an answer stays half an answer, and a WebSocket ends without a closing frame.
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await slow_reader.readuntil(b"\r\n\r\n")
            await slow_reader.readexactly(len(BODY))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await ws_reader.readexactly(1)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        # The targets are told as well: the kernel closes what the proxy held.
        while backend.open:
            await asyncio.sleep(0.01)
        for writer in (slow_writer, ws_writer):
            writer.transport.abort()

        async with run_proxy(tmp_path, target, port=proxy.port) as again:
            counts = [0]
            asking = asyncio.create_task(ask_until_cut(again.port, counts, 0))
            while counts[0] < 3:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    server.close()


# What drives a proxy: one route after the other, one call that waits for changes, one that is half sent.
DRIVER = """
import socket, sys
path, target = sys.argv[1:]
def call(method, where, body=b"", length=None):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    head = f"{method} {where} HTTP/1.1\\r\\nHost: h\\r\\nAuthorization: token secret\\r\\n"
    head += f"Content-Length: {len(body) if length is None else length}\\r\\n\\r\\n"
    connection.sendall(head.encode() + body)
    return connection
waiting = call("GET", "/api/changes?wait=60&since=0&epoch=none")
half = call("PUT", "/api/routes", b'{"/user/half": {"target":', 1_000_000)
number = 0
while True:
    number += 1
    put = call("POST", f"/api/routes/user/u{number % 50}", b'{"target": "%b"}' % target.encode())
    assert put.recv(4096).split()[1] == b"201"
    if number % 3 == 0:
        delete = call("DELETE", f"/api/routes/user/u{(number - 7) % 50}")
        assert delete.recv(4096).split()[1] in (b"204", b"404")
    if number == 100:
        print(number, flush=True)
"""


async def echo_until_told(port: int, counts: list[int], number: int, over: asyncio.Event) -> None:
    """Send a line through a tunnel again and again; each comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    while not over.is_set():
        writer.write(b"line\n")
        assert await reader.readexactly(5) == b"line\n"
        counts[number] += 1
    writer.transport.abort()


async def ask_until_told(port: int, counts: list[int], number: int, over: asyncio.Event) -> None:
    """Ask again and again over one connection; every answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not over.is_set():
        writer.write(b"GET /user/u%d/x HTTP/1.1\r\nHost: h\r\n\r\n" % (counts[number] % 50))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(len(BODY)) == BODY
        counts[number] += 1
    writer.transport.abort()


async def test_clients_see_nothing_of_the_death_of_what_drives_the_proxy(tmp_path: Path) -> None:
    backend = Backend()
    server = await asyncio.start_server(backend, "127.0.0.1", 0)
    target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    counts = [0] * CLIENTS
    over = asyncio.Event()
    async with asyncio.timeout(60), run_proxy(tmp_path, target) as proxy:
        ways = [ask_until_told] * (CLIENTS - 4) + [echo_until_told] * 4
        load = [asyncio.create_task(way(proxy.port, counts, number, over)) for number, way in enumerate(ways)]
        for _ in range(2):
            driver = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", DRIVER, str(tmp_path / "api.sock"), target), stdout=asyncio.subprocess.PIPE
            )
            assert driver.stdout is not None
            assert await driver.stdout.readline() == b"100\n"
            driver.kill()
            assert await driver.wait() == -9
            seen = counts.copy()
            while not all(now > before + 5 for now, before in zip(counts, seen, strict=True)):
                assert not any(task.done() for task in load), [task for task in load if task.done()]
                await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*load)
        # No trace is left of the call that was half sent, and the next one to drive it finds the proxy in order.
        reader, writer = await asyncio.open_unix_connection(tmp_path / "api.sock")
        writer.write(b"GET /api/routes/user/half HTTP/1.1\r\nHost: h\r\nAuthorization: token secret\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        writer.close()
        await writer.wait_closed()
    server.close()
