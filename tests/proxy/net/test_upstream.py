"""Connections to targets: used again, given up when stale, bounded in number."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.server import ServerConnection, serve

from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.net.upstream import UpstreamConnection, UpstreamPool, open_upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def parsed(url: str) -> Target:
    target = parse_target(url)
    assert isinstance(target, Target)
    return target


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_connections_are_used_again(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    for _ in range(3):
        client = await connect(proxy.port)
        for _ in range(3):
            assert (await client.get("/"))[0] == 200
    assert upstream.connections == 1


class Vanishing:
    """Answers the first request of each connection; reads a second one and closes without a word."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))


async def test_a_stale_connection_is_retried_once(start_proxy: Any, upstream: Any, connect: Any) -> None:
    target = Vanishing()
    proxy = await start_proxy({"/": await upstream(target)})
    client = await connect(proxy.port)
    for number in range(3):
        status, _, body = await client.get(f"/{number}")
        assert (status, body) == (200, b"ok")
    assert upstream.connections == 3
    assert len(target.requests) == 5


async def test_what_may_have_been_acted_on_is_not_sent_twice(start_proxy: Any, upstream: Any, connect: Any) -> None:
    target = Vanishing()
    proxy = await start_proxy({"/": await upstream(target)})
    client = await connect(proxy.port)
    await client.get("/")
    await client.send(b"POST /act HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    assert (await client.answer())[0] == 503
    assert sum(b"/act" in head for head in target.requests) == 1


async def test_a_connection_the_target_closed_is_not_taken(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()

    url = await upstream(once)
    proxy = await start_proxy({"/": url})
    client = await connect(proxy.port)
    endpoint = parsed(url).endpoint
    for _ in range(3):
        await client.get("/")
        await eventually(lambda: not any(each.usable for each in proxy.context.pool._unused.get(endpoint, [])))
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        assert (await client.answer())[0] == 200
        await eventually(lambda: not any(each.usable for each in proxy.context.pool._unused.get(endpoint, [])))


async def test_connection_close_is_heeded(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.read()

    proxy = await start_proxy({"/": await upstream(closing)})
    client = await connect(proxy.port)
    for _ in range(3):
        assert (await client.get("/"))[2] == b"ok"
    assert upstream.connections == 3


async def test_a_pool_is_bounded_in_number_and_age(upstream: Any) -> None:
    target = parsed(await upstream(silent))
    pool = UpstreamPool(idle=4.0, size=2)
    connections = [await open_upstream(target, 5, None) for _ in range(3)]
    for connection in connections:
        pool.give(connection, 100.0)
    assert [each.usable for each in connections] == [True, True, False]
    assert pool.take(target.endpoint, 103.0, 1.0) is None
    assert pool.take(target.endpoint, 103.0, 4.0) is connections[1]
    pool.sweep(103.0)
    assert connections[0].usable
    pool.sweep(105.0)
    assert not connections[0].usable
    assert pool.take(target.endpoint, 105.0, 4.0) is None
    pool.give(connections[1], 105.0)
    pool.close()
    assert not connections[1].usable


async def test_words_from_an_unused_connection_end_it(upstream: Any, eventually: Any) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await reader.read()

    connection = await open_upstream(parsed(await upstream(talk)), 5, None)
    await eventually(lambda: not connection.usable)
    assert isinstance(connection, UpstreamConnection)


async def test_targets_that_cannot_be_reached() -> None:
    for url in ("http://127.0.0.1:1", "unix+http://%2Fnonexistent%2Fsocket"):
        with pytest.raises(OSError):
            await open_upstream(parsed(url), 5, None)


async def test_a_socket_file_as_target(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any, tmp_path: Path
) -> None:
    proxy = await start_proxy({"/": await upstream(echo, path=tmp_path / "s")})
    client = await connect(proxy.port)
    assert (await client.get("/x"))[2].startswith(b"GET /x HTTP/1.1\r\n")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    request += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run(
        request.split(),
        check=True,
        capture_output=True,
    )
    return key, cert


async def test_certificates_of_targets_are_verified(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any, certificate: tuple[Path, Path]
) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    proxy = await start_proxy({"/": await upstream(echo, tls=context)})
    client = await connect(proxy.port)
    assert (await client.get("/"))[0] == 503
    proxy.context.pool._tls = ssl.create_default_context(cafile=cert)
    assert (await client.get("/"))[0] == 200


async def test_websockets_over_tls(start_proxy: Any, certificate: tuple[Path, Path], eventually: Any) -> None:
    async def echo_messages(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    key, cert = certificate
    async with serve(echo_messages, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        proxy = await start_proxy({"/": f"http://127.0.0.1:{port}"}, ssl_key=str(key), ssl_cert=str(cert))
        trusting = ssl.create_default_context(cafile=cert)
        async with ws_connect(f"wss://127.0.0.1:{proxy.port}/", ssl=trusting, max_size=None) as client:
            for size in (125, 3_000_000):
                await client.send(b"x" * size)
                assert len(await asyncio.wait_for(client.recv(), 10)) == size
        await eventually(lambda: not proxy.context.tunnels)


async def test_the_public_side_speaks_tls(
    start_proxy: Any, upstream: Any, echo: Any, certificate: tuple[Path, Path]
) -> None:
    key, cert = certificate
    proxy = await start_proxy({"/": await upstream(echo)}, ssl_key=str(key), ssl_cert=str(cert))
    trusting = ssl.create_default_context(cafile=cert)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=trusting)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"X-Forwarded-Proto: https" in answer
    assert b"X-Forwarded-Port: 443" in answer
    writer.close()
