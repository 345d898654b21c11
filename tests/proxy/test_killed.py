"""A proxy killed with signal 9 under load: what its clients see, and that another one serves at once in its place."""

from __future__ import annotations

import asyncio
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
