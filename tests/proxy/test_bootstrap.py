"""Starting and stopping a proxy."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from perijove.proxy.bootstrap import CannotStart, bind


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    await asyncio.sleep(0.2)
    writer.write(b"cd")
    await reader.read()


async def test_exchanges_under_way_may_finish(start_proxy: Any, upstream: Any, connect: Any) -> None:
    proxy = await start_proxy({"/": await upstream(slow)})
    idle, busy = await connect(proxy.port), await connect(proxy.port)
    await busy.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await busy.head()
    stopping = asyncio.create_task(proxy.stop(60))
    assert await idle.until_end() == b""
    assert await busy.until_end() == b"abcd"
    await asyncio.wait_for(stopping, 5)
    with pytest.raises(OSError):
        await connect(proxy.port)


async def test_what_does_not_finish_is_cut(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    proxy = await start_proxy({"/": await upstream(never)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(proxy.stop(0.1), 5)
    try:
        assert await client.until_end() == b""
    except ConnectionError:
        return


async def test_socket_files(start_proxy: Any, tmp_path: Path) -> None:
    public, private = tmp_path / "public", tmp_path / "private"
    for _ in range(2):
        proxy = await start_proxy(socket=str(public), api_socket=str(private))
        assert (proxy.port, proxy.api_port) == (0, 0)
        reader, writer = await asyncio.open_unix_connection(public)
        writer.write(b"GET /_chp_healthz HTTP/1.0\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b'{"status":"OK"}')
        writer.close()
        with pytest.raises(CannotStart, match="another process serves this socket"):
            await start_proxy(socket=str(public))
        await proxy.stop(0)
        assert not public.exists()


def test_a_socket_file_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):
        with bind("", 0, str(path)):
            assert path.is_socket()
    path.unlink()
    path.write_text("a file of somebody's")
    with pytest.raises(CannotStart):
        bind("", 0, str(path))
    assert path.read_text() == "a file of somebody's"


def test_addresses() -> None:
    with bind("127.0.0.1", 0, "") as bound:
        assert bound.family == socket.AF_INET
        taken = bound.getsockname()[1]
        with pytest.raises(CannotStart, match=r"cannot listen at 127\.0\.0\.1"):
            bind("127.0.0.1", taken, "")
    with bind("localhost", 0, "") as bound:
        assert bound.getsockname()[0] == "127.0.0.1"
    with bind("", 0, "") as bound, socket.create_connection(("127.0.0.1", bound.getsockname()[1])):
        pass
    with pytest.raises(CannotStart):
        bind("no such host", 0, "")
