"""WebSockets and other upgrades through the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

UPGRADE = b"GET /user/a/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


async def echo_messages(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "leave":
            await connection.close(4321, "as told")
        await connection.send(message)


@pytest.mark.parametrize("size", [125, 1024 * 1024])
async def test_messages_of_websockets(start_proxy: Any, size: int) -> None:
    async with serve(echo_messages, "127.0.0.1", 0, max_size=None, subprotocols=["v1.kernel"]) as server:  # type: ignore[list-item]
        target = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        proxy = await start_proxy({"/user/a": target})
        url = f"ws://127.0.0.1:{proxy.port}/user/a/api/kernels/1/channels"
        async with ws_connect(url, max_size=None, subprotocols=["v1.kernel"]) as client:  # type: ignore[list-item]
            assert client.subprotocol == "v1.kernel"
            for number in range(5):
                message = bytes((number,)) * size
                await client.send(message)
                assert await asyncio.wait_for(client.recv(), 10) == message
            await asyncio.wait_for(await client.ping(), 5)
            assert len(proxy.context.tunnels) == 1
            assert not proxy.context.connections


async def test_close_codes_are_carried(start_proxy: Any, eventually: Any) -> None:
    async with serve(echo_messages, "127.0.0.1", 0) as server:
        target = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        proxy = await start_proxy({"/": target})
        async with ws_connect(f"ws://127.0.0.1:{proxy.port}/") as client:
            await client.send("leave")
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "as told")
        await eventually(lambda: not proxy.context.tunnels)


async def test_a_refused_websocket_gets_the_status(start_proxy: Any) -> None:
    proxy = await start_proxy({"/gone": "http://127.0.0.1:1"})
    for path, status in (("/nowhere", 404), ("/gone", 503)):
        with pytest.raises(InvalidStatus) as refused:
            await ws_connect(f"ws://127.0.0.1:{proxy.port}{path}")
        assert refused.value.response.status_code == status


async def switched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(SWITCHING + b"hello")
    return head


async def test_what_is_sent_around_the_switch_is_not_lost(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switched(reader, writer)
        while data := await reader.read(1000):
            writer.write(data)

    proxy = await start_proxy({"/user/a": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(UPGRADE + b"early")
    assert await client.head() == SWITCHING
    assert await client.exactly(10) == b"helloearly"
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert await client.exactly(18) == b"GET / HTTP/1.1\r\n\r\n"


async def test_half_close_is_carried_both_ways(start_proxy: Any, upstream: Any, connect: Any, eventually: Any) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switched(reader, writer)
        data = await reader.read()
        writer.write(b"got %d bytes after your end" % len(data))
        await writer.drain()

    proxy = await start_proxy({"/user/a": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(UPGRADE)
    await client.head()
    await client.send(b"x" * 100)
    client.writer.write_eof()
    assert await client.until_end() == b"hellogot 100 bytes after your end"
    await eventually(lambda: not proxy.context.tunnels)


@pytest.mark.parametrize("who", ["client", "target"])
async def test_what_breaks_off_on_one_side_ends_on_the_other(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any, who: str
) -> None:
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switched(reader, writer)
        if who == "target":
            await reader.readexactly(1)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        try:
            await reader.read()
        finally:
            over.set()

    proxy = await start_proxy({"/user/a": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(UPGRADE)
    await client.head()
    if who == "client":
        client.writer.transport.abort()
        await asyncio.wait_for(over.wait(), 5)
    else:
        await client.send(b"x")
        with contextlib.suppress(ConnectionError):
            await client.until_end()
    await eventually(lambda: not proxy.context.tunnels)


async def test_a_side_that_does_not_read_stops_the_other(start_proxy: Any, upstream: Any, connect: Any) -> None:
    written = 0
    mib = 1024 * 1024

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await switched(reader, writer)
        while written < 64 * mib:
            writer.write(b"x" * mib)
            await writer.drain()
            written += mib

    proxy = await start_proxy({"/user/a": await upstream(flood)})
    client = await connect(proxy.port)
    await client.send(UPGRADE)
    await client.head()
    stalled_at = -1
    while stalled_at != written:
        stalled_at = written
        await asyncio.sleep(0.3)
    assert written < 40 * mib
    (transport,) = proxy.context.tunnels
    assert transport.get_write_buffer_size() < 2 * mib
    assert len(await client.until_end()) == 64 * mib + 5


async def test_idle_tunnels_are_not_cut_and_count_as_active(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switched(reader, writer)
        while data := await reader.read(1000):
            writer.write(data)

    proxy = await start_proxy(
        {"/user/a": await upstream(handle)}, timeout=0.1, proxy_timeout=0.1, keep_alive_timeout=0.1, head_timeout=0.1
    )
    client = await connect(proxy.port)
    await client.send(UPGRADE)
    await client.head()
    await client.exactly(5)
    proxy.book.activity.begin("/user/a", 1.0)
    await asyncio.sleep(0.5)  # five times every limit
    assert proxy.book.activity.last("/user/a") == 1.0
    await client.send(b"still there")
    assert await client.exactly(11) == b"still there"
    await eventually(lambda: (proxy.book.activity.last("/user/a") or 0) > 1.0)


async def test_each_use_is_noticed_anew(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switched(reader, writer)
        while data := await reader.read(1000):
            writer.write(data)

    proxy = await start_proxy({"/user/a": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(UPGRADE)
    await client.head()
    await client.exactly(5)
    (tunnel,) = proxy.context.tunnels.values()
    for _ in range(3):
        for piece in (b"first", b"takes the short way", b"so does this"):
            await client.send(piece)
            assert await client.exactly(len(piece)) == piece
        tunnel.look()
        assert (proxy.book.activity.last("/user/a") or 0) > 1.0
        proxy.book.activity.begin("/user/a", 1.0)
        tunnel.look()
        assert proxy.book.activity.last("/user/a") == 1.0


async def test_an_upgrade_to_http2_is_not_passed_on(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    client = await connect(proxy.port)
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
    status, _, body = await client.get("/", *fields)
    assert status == 200
    assert b"h2c" not in body
    assert b"HTTP2-Settings" not in body
