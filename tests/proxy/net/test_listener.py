"""Requests as clients send them: strict, in order, bounded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from perijove.proxy.core.heads import MAX_HEAD, MAX_REQUEST_LINE


async def test_a_request_reaches_its_target(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/user/a": await upstream(echo)})
    client = await connect(proxy.port)
    status, _, body = await client.get("/user/a/x?y=1", "X-Request-ID: mine")
    assert status == 200
    lines = body.decode().split("\r\n")
    assert lines[0] == "GET /user/a/x?y=1 HTTP/1.1"
    assert "X-Request-ID: mine" in lines
    assert "X-Forwarded-For: 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "Host: h" in lines


async def test_health(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.port)
    for _ in range(2):
        status, fields, body = await client.get("/_chp_healthz")
        assert (status, json.loads(body), fields["content-type"]) == (200, {"status": "OK"}, "application/json")


async def test_pipelined_requests_are_answered_in_order(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def slow_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number = int(head.split()[1].rpartition(b"/")[2])
            await asyncio.sleep(0.05 if number == 0 else 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % number)

    proxy = await start_proxy({"/": await upstream(slow_first)})
    client = await connect(proxy.port)
    mixed = [b"/%d" % number if number % 3 else b"/_chp_healthz" for number in range(1, 20)]
    await client.send(b"".join(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path for path in [b"/0", *mixed]))
    bodies = [(await client.answer())[2] for _ in range(20)]
    assert bodies == [b"00", *(b"%02d" % n if n % 3 else b'{"status":"OK"}' for n in range(1, 20))]


async def test_pipelined_requests_with_bodies(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    client = await connect(proxy.port)
    post = b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nbody%d"
    await client.send(post % (1, 1) + post % (2, 2) + (post % (3, 3))[:-3])
    for number in (1, 2):
        assert (await client.answer())[2].endswith(b"body%d" % number)
    await client.send((post % (3, 3))[-3:])
    assert (await client.answer())[2].endswith(b"body3")


async def test_a_request_byte_by_byte(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    client = await connect(proxy.port)
    for byte in b"\r\nPOST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc":
        await client.send(bytes((byte,)))
        await asyncio.sleep(0)
    status, _, body = await client.answer()
    assert status == 200
    assert body.endswith(b"abc")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: h\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /" + b"a" * (MAX_REQUEST_LINE + 100), 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * (MAX_HEAD + 100), 431),
    ],
)
async def test_what_is_refused_closes_the_connection(start_proxy: Any, connect: Any, raw: bytes, status: int) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.port)
    await client.send(raw)
    answer = await client.until_end()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 %d" % status) == 1


async def test_nothing_behind_a_refused_request_is_served(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any
) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    client = await connect(proxy.port)
    bad = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    await client.send(bad + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.until_end()).count(b"HTTP/1.1 ") == 1
    assert upstream.connections == 0


async def test_a_half_sent_head_times_out(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy(head_timeout=0.1)
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost")
    assert (await client.until_end()).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy(keep_alive_timeout=0.1)
    client = await connect(proxy.port)
    await client.get("/_chp_healthz")
    assert await client.until_end() == b""


async def test_http10_and_connection_close(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)})
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"):
        client = await connect(proxy.port)
        await client.send(head)
        answer = await client.until_end()
        assert b"\r\nConnection: close\r\n" in answer
        assert b"200 OK" in answer


async def test_a_client_that_leaves_takes_its_exchange_along(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()

    proxy = await start_proxy({"/": await upstream(wait)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(asked.wait(), 5)
    client.writer.close()
    await asyncio.wait_for(gone.wait(), 5)
    await eventually(lambda: not proxy.context.connections)


async def test_a_client_that_does_not_read_gets_no_more_requests_served(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.port)
    client.writer.transport.set_write_buffer_limits(high=0)
    sending = asyncio.create_task(client.send(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n" * 200_000))
    done, _ = await asyncio.wait((sending,), timeout=1.0)
    assert not done, "the proxy took all requests though no answer was read"
    (connection,) = proxy.context.connections
    assert connection._transport.get_write_buffer_size() < 1_000_000
    sending.cancel()


async def test_connections_above_the_total_are_refused(
    start_proxy: Any, connect: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = await start_proxy(max_connections=2)
    first, second = await connect(proxy.port), await connect(proxy.port)
    for client in (first, second):
        assert (await client.get("/_chp_healthz"))[0] == 200
    for _ in range(3):
        refused = await connect(proxy.port)
        await refused.send(b"GET /_chp_healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await refused.until_end()).startswith(b"HTTP/1.1 503 ")
    assert (await first.get("/_chp_healthz"))[0] == 200
    assert len([record for record in caplog.records if "refused" in record.getMessage()]) == 1
    first.writer.transport.abort()
    await eventually(lambda: proxy.context.limits.open == 1)
    assert (await (await connect(proxy.port)).get("/_chp_healthz"))[0] == 200


async def test_connections_of_one_address_are_refused(start_proxy: Any, connect: Any, eventually: Any) -> None:
    proxy = await start_proxy(max_connections_per_client=1, metrics_port=0, metrics_ip="127.0.0.1")
    first = await connect(proxy.port)
    assert (await first.get("/_chp_healthz"))[0] == 200
    refused = await connect(proxy.port)
    answer = await refused.until_end()
    assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"Connection: close" in answer
    refused.writer.close()
    first.writer.transport.abort()
    await eventually(lambda: proxy.context.limits.open == proxy.context.limits.refused == 0)
    assert proxy.context.observer.metrics.refused_connections == {429: 1}


async def test_a_tunnel_counts_until_it_ends(start_proxy: Any, upstream: Any, connect: Any, eventually: Any) -> None:
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        await reader.read()

    proxy = await start_proxy({"/": await upstream(switch)}, max_connections_per_client=1)
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    await client.head()
    assert (await (await connect(proxy.port)).until_end()).startswith(b"HTTP/1.1 429 ")
    client.writer.transport.abort()
    await eventually(lambda: proxy.context.limits.open == 0)


async def test_how_large_a_head_may_be(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)}, max_header_size=2048)
    client = await connect(proxy.port)
    assert (await client.get("/", "X: " + "x" * 1900))[0] == 200
    assert (await client.get("/", "X: " + "x" * 2100))[0] == 431
    assert await client.until_end() == b""


async def test_what_strangers_say_of_themselves_is_dropped(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any
) -> None:
    target = await upstream(echo)
    said = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.9")
    believing = await start_proxy({"/": target})
    _, _, body = await (await connect(believing.port)).get("/", *said)
    assert b"X-Forwarded-For: 203.0.113.9,127.0.0.1\r\n" in body
    assert b"X-Forwarded-Proto: https,http\r\n" in body
    assert b"Forwarded: for=203.0.113.9,for=127.0.0.1;host=h;proto=http\r\n" in body
    edge = await start_proxy({"/": target}, trusted_proxies="none")
    _, _, body = await (await connect(edge.port)).get("/", *said)
    assert b"203.0.113.9" not in body
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in body


async def test_version_six_in_and_out(start_proxy: Any, upstream: Any, echo: Any) -> None:
    proxy = await start_proxy(
        {"/": await upstream(echo, host="::1")}, ip="::1", api_ip="::1", max_connections_per_client=5
    )
    reader, writer = await asyncio.open_connection("::1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b"X-Forwarded-For: ::1\r\n" in answer
    assert b'Forwarded: for="[::1]";host="[::1]:80";proto=http\r\n' in answer


async def test_a_connection_that_comes_while_the_proxy_stops_is_closed(
    start_proxy: Any, connect: Any, eventually: Any
) -> None:
    proxy = await start_proxy(head_timeout=60)
    proxy.context.draining = True
    late = await connect(proxy.port)
    assert await late.until_end() == b""
    await eventually(proxy.context.idle.is_set)
