"""One exchange: bodies both ways, failures on either side."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

MIB = 1024 * 1024


def reply(data: bytes, *, close: bool = False) -> Any:
    """An upstream that answers each request with *data*."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()
            if close:
                return

    return handle


async def test_no_route_is_404_and_an_unreachable_target_503(start_proxy: Any, upstream: Any, connect: Any) -> None:
    proxy = await start_proxy({"/gone": "http://127.0.0.1:1"})
    client = await connect(proxy.port)
    assert (await client.get("/nowhere"))[0] == 404
    status, fields, body = await client.get("/gone/x", "Accept: application/json")
    assert (status, fields["content-type"]) == (503, "application/json")
    assert b'"status": 503' in body
    status, fields, body = await client.get("/gone", "Accept: text/html", "X-Request-ID: find-me")
    assert fields["content-type"].startswith("text/html")
    assert b"find-me" in body


async def test_a_chunked_answer_stays_chunked(start_proxy: Any, upstream: Any, connect: Any) -> None:
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    proxy = await start_proxy(
        {"/": await upstream(reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))}
    )
    client = await connect(proxy.port)
    for _ in range(2):
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in await client.head()
        assert await client.exactly(len(chunks)) == chunks
    assert upstream.connections == 1


async def test_http10_gets_no_chunks(start_proxy: Any, upstream: Any, connect: Any) -> None:
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    proxy = await start_proxy(
        {"/": await upstream(reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))}
    )
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = (await client.until_end()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"hello world"


async def test_a_chunked_request_arrives_chunked(start_proxy: Any, upstream: Any, connect: Any) -> None:
    seen: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(collect)})
    client = await connect(proxy.port)
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await client.send(b"0\r\n\r\n")
    assert (await client.answer())[0] == 201
    assert seen[0].endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


async def test_a_malformed_chunk_in_a_request_is_400(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    proxy = await start_proxy({"/": await upstream(wait)})
    client = await connect(proxy.port)
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await client.send(b"zz\r\n")
    answer = await client.until_end()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        (b"GET / HTTP/1.1", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
        (b"DELETE / HTTP/1.1", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_answers_without_a_body(
    start_proxy: Any, upstream: Any, connect: Any, request_head: bytes, answer: bytes
) -> None:
    proxy = await start_proxy({"/": await upstream(reply(answer))})
    client = await connect(proxy.port)
    for _ in range(2):
        await client.send(request_head + b"\r\nHost: h\r\n\r\n")
        assert await client.head() == answer
    assert upstream.connections == 1


async def test_an_answer_that_ends_with_its_connection(start_proxy: Any, upstream: Any, connect: Any) -> None:
    proxy = await start_proxy({"/": await upstream(reply(b"HTTP/1.0 200 OK\r\n\r\nall of it", close=True))})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = await client.until_end()
    assert b"Connection: close" in answer
    assert answer.endswith(b"\r\n\r\nall of it")


async def test_expect_continue(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Expect: 100-continue" in head
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
        await reader.read()

    proxy = await start_proxy({"/": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"hello")
    assert (await client.answer())[2] == b"hello"


async def test_events_are_passed_on_at_once(start_proxy: Any, upstream: Any, connect: Any) -> None:
    go_on = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            writer.write(b"9\r\ndata: %d\n\n\r\n" % number)
            await go_on.wait()
            go_on.clear()
        await reader.read()

    proxy = await start_proxy({"/": await upstream(stream)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    for number in range(3):
        assert await client.exactly(14) == b"9\r\ndata: %d\n\n\r\n" % number
        go_on.set()


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_target_that_dies_within_its_answer_is_no_end(
    start_proxy: Any, upstream: Any, connect: Any, part: bytes
) -> None:
    proxy = await start_proxy({"/": await upstream(reply(part, close=True))})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    try:
        rest = await client.until_end()
    except ConnectionError:
        return
    assert not rest.endswith(b"0\r\n\r\n")
    assert len(rest) < 100


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 503),
        (b"HTTP/1.1 200", 502),
        (b"nonsense\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 40, 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, 502),
    ],
)
async def test_a_target_without_a_proper_answer(
    start_proxy: Any, upstream: Any, connect: Any, data: bytes, status: int
) -> None:
    proxy = await start_proxy({"/": await upstream(reply(data, close=True))})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.0\r\nAccept: application/json\r\n\r\n")
    assert b"HTTP/1.1 %d " % status in await client.until_end()


async def test_a_bad_chunk_within_an_answer_cuts_the_connection(start_proxy: Any, upstream: Any, connect: Any) -> None:
    bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"
    proxy = await start_proxy({"/": await upstream(reply(bad))})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    try:
        assert not (await client.until_end()).endswith(b"0\r\n\r\n")
    except ConnectionError:
        return


async def test_what_follows_an_answer_unasked_is_never_passed_on(start_proxy: Any, upstream: Any, connect: Any) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    proxy = await start_proxy({"/": await upstream(reply(ok + ok.replace(b"ok", b"no")))})
    client = await connect(proxy.port)
    for _ in range(3):
        assert (await client.get("/"))[2] == b"ok"
    assert upstream.connections == 3


async def test_an_early_answer_closes_behind_itself(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(refuse)})
    client = await connect(proxy.port)
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nstart")
    assert await client.answer() == (413, {"content-length": "3"}, b"big")
    assert await client.until_end() == b""


async def test_a_slow_reader_stops_the_target(start_proxy: Any, upstream: Any, connect: Any) -> None:
    total = 64 * MIB
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while written < total:
            writer.write(b"x" * MIB)
            await writer.drain()
            written += MIB
        await reader.read()

    proxy = await start_proxy({"/": await upstream(flood)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    stalled_at = -1
    while stalled_at != written:
        stalled_at = written
        await asyncio.sleep(0.3)
    assert written < 40 * MIB
    (connection,) = proxy.context.connections
    assert connection._transport.get_write_buffer_size() < 2 * MIB
    got = 0
    while got < total:
        got += len(await asyncio.wait_for(client.reader.read(MIB), 5))
    assert got == total


async def test_a_slow_target_stops_the_client(start_proxy: Any, upstream: Any, connect: Any) -> None:
    total = 64 * MIB
    read_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await read_on.wait()
        got = 0
        while got < total:
            got += len(await reader.read(MIB))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(slow)})
    client = await connect(proxy.port)
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
    sent = 0

    async def upload() -> None:
        nonlocal sent
        while sent < total:
            await client.send(b"x" * MIB)
            sent += MIB

    uploading = asyncio.create_task(upload())
    stalled_at = -1
    while stalled_at != sent:
        stalled_at = sent
        await asyncio.sleep(0.3)
    assert sent < 40 * MIB
    (connection,) = proxy.context.connections
    assert connection._relay._upstream.transport.get_write_buffer_size() < 2 * MIB
    read_on.set()
    assert (await client.answer())[0] == 200
    await uploading


async def test_a_finished_answer_outlasts_the_keep_alive_time(start_proxy: Any, upstream: Any, connect: Any) -> None:
    total = 8 * MIB
    proxy = await start_proxy(
        {"/": await upstream(reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total + b"x" * total))},
        keep_alive_timeout=0.1,
    )
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    await asyncio.sleep(0.5)  # longer than the idle limit, with most of the answer unread
    assert await client.exactly(total) == b"x" * total


async def test_a_target_that_never_answers_is_504_when_a_limit_is_set(
    start_proxy: Any, upstream: Any, connect: Any
) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    proxy = await start_proxy({"/": await upstream(wait)}, proxy_timeout=0.1)
    client = await connect(proxy.port)
    assert (await client.get("/"))[0] == 504


async def test_the_limit_for_the_first_byte_cuts_no_long_answer(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.4)
        writer.write(b"b")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(drip)}, proxy_timeout=0.1)
    client = await connect(proxy.port)
    assert (await client.get("/"))[2] == b"ab"


async def test_activity(start_proxy: Any, upstream: Any, connect: Any) -> None:
    good = await upstream(reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    bad = await upstream(reply(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"))
    proxy = await start_proxy({"/good": good, "/bad": bad, "/gone": "http://127.0.0.1:1"})
    for key in ("/good", "/bad", "/gone"):
        proxy.book.activity.begin(key, 1.0)
    client = await connect(proxy.port)
    for path in ("/good/x", "/bad", "/gone"):
        await client.get(path)
    assert proxy.book.activity.last("/good") == pytest.approx(time.time(), abs=5)
    assert proxy.book.activity.last("/bad") == 1.0
    assert proxy.book.activity.last("/gone") == 1.0


async def test_user_servers_set_no_cookies_for_the_hub(start_proxy: Any, upstream: Any, connect: Any) -> None:
    url = await upstream(
        reply(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nService-Worker-Allowed: /\r\n"
            b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=1; Path=/user/a/\r\n\r\n"
        )
    )
    proxy = await start_proxy({"/user/a": url, "/hub": url})
    client = await connect(proxy.port)
    await client.send(b"GET /user/a/ HTTP/1.1\r\nHost: h\r\n\r\n")
    head = await client.head()
    assert (b"b=1" in head, b"a=1" in head, b"Service-Worker" in head) == (True, False, False)
    await client.send(b"GET /hub/ HTTP/1.1\r\nHost: h\r\n\r\n")
    head = await client.head()
    assert (b"b=1" in head, b"a=1" in head, b"Service-Worker" in head) == (True, True, True)


async def test_host_routing(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/a.hub/user/a": await upstream(echo)}, host_routing=True)
    client = await connect(proxy.port)
    assert (await client.get("/user/a"))[0] == 404
    await client.send(b"GET /user/a HTTP/1.1\r\nHost: A.hub:80\r\n\r\n")
    assert (await client.answer())[0] == 200


async def test_a_slow_reader_is_not_taken_for_an_idle_one(start_proxy: Any, upstream: Any, connect: Any) -> None:
    size = 12 * MIB

    async def download(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(bytes(size))
        await writer.drain()
        await reader.read()

    proxy = await start_proxy({"/": await upstream(download)}, timeout=0.4, proxy_timeout=0.4)
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    began, taken = time.monotonic(), 0
    # A little at a time, for several times the limit: each piece is seen by the kernel only.
    while time.monotonic() - began < 1.6:
        taken += len(await client.exactly(64 * 1024))
        await asyncio.sleep(0.1)
    await client.exactly(size - taken)


async def test_a_reader_that_has_stopped_is_idle(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(bytes(MIB))
            await writer.drain()

    proxy = await start_proxy({"/": await upstream(endless)}, timeout=0.2)
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    client.writer.transport.pause_reading()
    await eventually(lambda: not proxy.context.connections)


async def test_a_target_that_takes_no_connection(start_proxy: Any, connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        proxy = await start_proxy({"/": f"http://127.0.0.1:{port}"}, connect_timeout=0.1)
        began = time.monotonic()
        assert (await (await connect(proxy.port)).get("/"))[0] == 503
        assert time.monotonic() - began < 4
        for each in waiting:
            each.close()


async def test_what_an_operator_changes(start_proxy: Any, upstream: Any, connect: Any) -> None:
    seen: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            own = writer.get_extra_info("sockname")[1]
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/x\r\nContent-Length: 0\r\n\r\n" % own)

    target = await upstream(redirect)
    proxy = await start_proxy(
        {"/user/a": target + "/base"},
        include_prefix=False,
        change_origin=True,
        auto_rewrite=True,
        protocol_rewrite="https",
        custom_headers=(("X-From", "proxy"),),
    )
    client = await connect(proxy.port)
    status, fields, _ = await client.get("/user/a/y?z=1", "X-From: client")
    assert (status, fields["location"]) == (302, "https://h/x")
    assert seen[0].startswith(b"GET /base/y?z=1 HTTP/1.1\r\nHost: " + target.removeprefix("http://").encode())
    assert b"X-From: proxy\r\n" in seen[0]
    assert b"client" not in seen[0]
