from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from perijove.hub.adapters import probe
from perijove.hub.adapters.probe import HttpProbe

Serve = Callable[[bytes], "asyncio.Future[str]"]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., object]]:
    """A function that serves the same bytes to everybody, keeps what it was asked in `asked`, and returns the URL."""
    servers: list[asyncio.Server] = []
    done = asyncio.Event()

    async def start(answer: bytes | None, asked: list[bytes] | None = None) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if asked is not None:
                asked.append(head)
            if answer is None:
                await done.wait()
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/user/ada/api"

    yield start
    done.set()
    for server in servers:
        server.close()


def answer(status: int, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{headers}\r\n".encode()


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (302, True), (403, True), (404, True), (500, False), (503, False)]
)
async def test_any_answer_below_500_is_one(serve: Callable[..., object], status: int, answers: bool) -> None:
    url = await serve(answer(status))  # type: ignore[misc]
    assert await HttpProbe().answers(url) is answers


async def test_redirects_are_not_followed(serve: Callable[..., object]) -> None:
    asked: list[bytes] = []
    elsewhere = await serve(answer(500), asked)  # type: ignore[misc]
    url = await serve(answer(302, f"Location: {elsewhere}\r\n"))  # type: ignore[misc]
    assert await HttpProbe().answers(url)
    assert asked == []


async def test_no_answer_is_no_exception(serve: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "REQUEST_TIMEOUT", 0.05)
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    assert not await HttpProbe().answers(f"http://127.0.0.1:{port}/")
    for said in (None, b"", b"what?\r\n\r\n", b"HTTP/1.1 2000 X\r\n\r\n", b"HTTP/1.1 " + b"x" * 100_000):
        assert not await HttpProbe().answers(await serve(said))  # type: ignore[misc]
    for url in ("http://", "not a url", "http://[::1", "ftp://host/", "http://127.0.0.1:x/", "http://-\udc80-/"):
        assert not await HttpProbe().answers(url)


async def test_the_environments_proxy_is_not_asked(
    serve: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    monkeypatch.setenv("HTTP_PROXY", await serve(answer(200), asked))  # type: ignore[misc]
    monkeypatch.setenv("http_proxy", await serve(answer(200), asked))  # type: ignore[misc]
    url = await serve(answer(500))  # type: ignore[misc]
    assert not await HttpProbe().answers(url)
    assert asked == []


async def test_nothing_in_a_url_adds_a_line_to_the_question(serve: Callable[..., object]) -> None:
    asked: list[bytes] = []
    url: str = await serve(answer(200), asked)  # type: ignore[misc]
    assert await HttpProbe().answers(f"{url}/a b%0d%0aX: 1\r\nX: 1?c=d e")
    (head,) = asked
    assert head.startswith(b"GET /user/ada/api/a%20b%0d%0aX:%201X:%201?c=d%20e HTTP/1.1\r\nHost: 127.0.0.1:")
    assert head.count(b"\r\n") == 5


async def test_a_server_with_tls_is_asked_if_its_certificate_is_good(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    request += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run(request.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        made = HttpProbe()
        assert not await made.answers(url)
        made._tls.load_verify_locations(cert)
        assert await made.answers(url)


async def test_no_credentials_are_sent(serve: Callable[..., object]) -> None:
    asked: list[bytes] = []
    await HttpProbe().answers(await serve(answer(200), asked))  # type: ignore[misc]
    (head,) = asked
    assert head.startswith(b"GET /user/ada/api HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()
    assert b"cookie" not in head.lower()


async def test_a_body_without_an_end_is_not_waited_for() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        left.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(20):
        port = server.sockets[0].getsockname()[1]
        assert await HttpProbe().answers(f"http://127.0.0.1:{port}/")
        await left.wait()
