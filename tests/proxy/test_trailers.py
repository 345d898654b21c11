"""Fields behind a chunked body: passed on both ways where they decide nothing, in whatever pieces they come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perijove.proxy.core.bodies import MAX_TRAILERS

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SENT = b"X-Sum: 1\r\nContent-Length: 0\r\nX-Forwarded-For: 10.1.1.1\r\nX-Named: 2\r\nX-Set: 3\r\nDigest:  d \r\n"
ARRIVES = b"X-Sum: 1\r\nDigest: d\r\n"
PIECES = (1, 7, 1000)


def sliced(data: bytes, size: int) -> list[bytes]:
    return [data[place : place + size] for place in range(0, len(data), size)]


@pytest.mark.parametrize("size", PIECES)
async def test_of_requests(start_proxy: Any, upstream: Any, connect: Any, size: int) -> None:
    seen: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            seen.append(await reader.readuntil(b"Digest: d\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    proxy = await start_proxy({"/": await upstream(collect)}, custom_headers=(("X-Set", "by the operator"),))
    client = await connect(proxy.port)
    announcing = b"Connection: x-named\r\nTrailer: X-Sum, Content-Length, X-Named\r\n"
    request = b"POST / HTTP/1.1\r\nHost: h\r\n" + CHUNKED + announcing + b"\r\n3\r\nabc\r\n0\r\n" + SENT + b"\r\n"
    for _ in range(2):
        for piece in sliced(request, size):
            await client.send(piece)
        assert (await client.answer())[0] == 200
    for head, body in zip(seen[::2], seen[1::2], strict=True):
        assert b"\r\nTrailer: x-sum\r\n" in head
        assert body == b"3\r\nabc\r\n0\r\n" + ARRIVES + b"\r\n"
    assert upstream.connections == 1


def answering(trailers: bytes, size: int) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"Connection: x-named\r\nTrailer: X-Sum, Set-Cookie\r\n\r\n"
            for piece in sliced(head + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n", size):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return answer


@pytest.mark.parametrize("size", PIECES)
async def test_of_answers(start_proxy: Any, upstream: Any, connect: Any, size: int) -> None:
    sent = SENT.replace(b"X-Set: 3", b"Set-Cookie: a=b")
    proxy = await start_proxy({"/": await upstream(answering(sent, size))})
    client = await connect(proxy.port)
    expected = b"5\r\nhello\r\n0\r\n" + ARRIVES + b"\r\n"
    for _ in range(2):
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        assert b"\r\nTrailer: x-sum\r\n" in await client.head()
        assert await client.exactly(len(expected)) == expected
    assert upstream.connections == 1

    old = await connect(proxy.port)
    await old.send(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    head, _, body = (await old.until_end()).partition(b"\r\n\r\n")
    assert b"Trailer" not in head
    assert body == b"hello"


BAD = [b"no colon\r\n", b" folded: x\r\n", b"X: a\nY: b\r\n", b"X : a\r\n", b"X: \0\r\n", b"X: " + b"y" * MAX_TRAILERS]


@pytest.mark.parametrize("trailers", BAD, ids=range(len(BAD)))
async def test_malformed_ones_are_refused(start_proxy: Any, upstream: Any, connect: Any, trailers: bytes) -> None:
    received: list[bytes] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())

    proxy = await start_proxy(
        {"/in": await upstream(swallow), "/out": await upstream(answering(b"X-Sum: 1\r\n" + trailers, 1000))}
    )
    client = await connect(proxy.port)
    await client.send(b"POST /in HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n0\r\nX-Sum: 1\r\n" + trailers + b"\r\n")
    answer = await client.until_end()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer

    client = await connect(proxy.port)
    await client.send(b"GET /out HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.head()
        await client.exactly(len(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"))
        await client.exactly(1)
    assert not any(b"0\r\n\r\n" in each for each in received)
