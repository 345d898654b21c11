"""Starting and stopping a proxy."""

from __future__ import annotations

import asyncio
import socket
import subprocess
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
    for written in ("::1", "[::1]"):
        with bind(written, 0, "") as bound:
            assert bound.getsockname()[0] == "::1"
    with bind("", 0, "") as bound, socket.create_connection(("127.0.0.1", bound.getsockname()[1])):
        pass
    with pytest.raises(CannotStart):
        bind("no such host", 0, "")


async def test_tunnels_get_their_time(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)

    proxy = await start_proxy({"/": await upstream(switch)})
    upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    leaving, staying = await connect(proxy.port), await connect(proxy.port)
    for client in (leaving, staying):
        await client.send(upgrade)
        await client.head()
    stopping = asyncio.create_task(proxy.stop(0.5))
    with pytest.raises(OSError):
        while True:
            (await connect(proxy.port)).writer.close()
    for client in (leaving, staying):
        await client.send(b"still here")
        assert await client.exactly(10) == b"still here"
    leaving.writer.close()
    assert await staying.until_end() == b""
    await asyncio.wait_for(stopping, 5)


async def test_the_wait_ends_with_the_last_tunnel(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(switch)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    await client.head()
    stopping = asyncio.create_task(proxy.stop(60))
    await eventually(lambda: proxy.context.draining)
    assert not stopping.done()
    client.writer.close()
    await asyncio.wait_for(stopping, 5)


async def test_plain_http_leads_to_https(start_proxy: Any, connect: Any, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="--redirect-port needs --ssl-cert"):
        await start_proxy(redirect_port=0)
    key, cert = tmp_path / "key", tmp_path / "cert"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    subprocess.run([*request.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    tls = {"ssl_key": str(key), "ssl_cert": str(cert)}
    proxy = await start_proxy(redirect_port=0, **tls)
    client = await connect(proxy.redirect_port)
    status, fields, _ = await client.get("/user/a?x=1")
    assert (status, fields["location"]) == (301, f"https://h:{proxy.port}/user/a?x=1")
    named = await start_proxy(redirect_port=0, redirect_to=443, **tls)
    assert (await (await connect(named.redirect_port)).get("/"))[1]["location"] == "https://h/"


async def test_metrics_on_a_socket_file(start_proxy: Any, connect: Any, tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    proxy = await start_proxy(metrics_socket=str(path))
    assert proxy.metrics_port == 0
    api = await connect(proxy.api_port)
    for method, where, body in (
        ("GET", "/api/routes", ""),
        ("POST", "/api/routes/x", '{"target": "http://127.0.0.1:1"}'),
        ("DELETE", "/api/routes/x", ""),
    ):
        fields = f"Host: h\r\nAuthorization: token secret\r\nContent-Length: {len(body)}\r\n\r\n"
        await api.send(f"{method} {where} HTTP/1.1\r\n{fields}{body}".encode())
        await api.head() if method == "DELETE" else await api.answer()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    lines = (await asyncio.wait_for(reader.read(), 5)).decode().splitlines()
    writer.close()
    for wanted in ("api_route_get 1", "api_route_add 1", "api_route_delete 1", 'requests_api{status="201"} 1'):
        assert wanted in lines
    await proxy.stop(0)
    assert not path.exists()


async def test_what_cannot_start_leaves_nothing_open(start_proxy: Any, tmp_path: Path) -> None:
    for settings in (
        {"access_log": "json", "access_log_file": str(tmp_path)},
        {"metrics_port": 0, "metrics_ip": "x y"},
    ):
        with pytest.raises(CannotStart):
            await start_proxy(**settings)
