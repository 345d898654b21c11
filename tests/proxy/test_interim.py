"""Answers before the answer (1xx), answers without a body, and ends of connections in between."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SIZES = (1, 50, 1000)


def answering(data: bytes, size: int) -> Any:
    """A target that answers each request with *data*, in pieces of *size* bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for place in range(0, len(data), size):
                writer.write(data[place : place + size])
                await writer.drain()
                await asyncio.sleep(0)

    return answer


@pytest.mark.parametrize("size", SIZES)
async def test_interim_answers_come_before_the_answer(start_proxy: Any, upstream: Any, connect: Any, size: int) -> None:
    proxy = await start_proxy({"/": await upstream(answering(HINTS * 2 + OK, size))})
    client = await connect(proxy.port)
    expected = HINTS * 2 + OK
    for _ in range(3):
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.exactly(len(expected)) == expected
    assert upstream.connections == 1

    old = await connect(proxy.port)
    await old.send(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    answer = await old.until_end()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1") == 1


async def test_an_interim_answer_waits_for_nothing(start_proxy: Any, upstream: Any, connect: Any) -> None:
    go_on = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HINTS)
            await go_on.wait()
            go_on.clear()
            writer.write(OK)

    proxy = await start_proxy({"/": await upstream(answer)})
    client = await connect(proxy.port)
    for _ in range(2):
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.head() == HINTS
        go_on.set()
        assert (await client.answer())[2] == b"ok"


async def test_a_target_may_refuse_what_the_client_expects(start_proxy: Any, upstream: Any, connect: Any) -> None:
    received = bytearray()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        received.extend(await reader.read())

    proxy = await start_proxy({"/": await upstream(refuse)})
    client = await connect(proxy.port)
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert (await client.answer())[0] == 417
    # The body that was announced may still come, so nothing else can follow on this connection.
    assert await client.until_end() == b""
    assert not received


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n"),
        (b"POST", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    ],
)
async def test_nothing_follows_an_answer_without_a_body(
    start_proxy: Any, upstream: Any, connect: Any, method: bytes, answer: bytes, size: int
) -> None:
    proxy = await start_proxy({"/": await upstream(answering(answer, size))})
    client = await connect(proxy.port)
    for _ in range(3):
        await client.send(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await client.head()
        assert head.split(b"\r\n")[0] == answer.split(b"\r\n")[0]
        assert (b"Content-Length: 5" in head) is (b"Content-Length: 5" in answer and b" 204 " not in answer)
    assert upstream.connections == 1


async def test_pipelined_requests_mixed_with_single_ones(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    proxy = await start_proxy({"/": await upstream(name)})
    client = await connect(proxy.port)
    for count in (1, 1, 3, 1, 5):
        paths = [f"/{count}/{number}" for number in range(count)]
        await client.send("".join(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n" for path in paths).encode())
        for path in paths:
            assert (await client.answer())[2] == path.encode()


async def test_a_client_that_sends_no_more_is_taken_as_gone(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/wait" not in head:
                writer.write(OK)
                continue
            assert await reader.read() == b""
            ended.set()
            return

    proxy = await start_proxy({"/": await upstream(wait)})
    client = await connect(proxy.port)
    for path in (b"/", b"/wait"):
        await client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    client.writer.write_eof()
    await asyncio.wait_for(ended.wait(), 5)
    assert await client.until_end() in (b"", OK)
    await eventually(lambda: not proxy.context.connections)


async def test_targets_that_vanish_without_a_word_are_noticed(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any
) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    client = await connect(proxy.port)
    await client.get("/")
    ((connection,),) = proxy.context.pool._unused.values()
    watched = connection.transport.get_extra_info("socket")
    assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
