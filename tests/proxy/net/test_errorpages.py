"""Pages for errors: from the error target, from a directory, or built in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from perijove.proxy.net.errorpages import ErrorPages, error_pages


class Hub:
    """Answers with a page of its own, and remembers what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()


PAGE = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/x-hub\r\nContent-Length: 4\r\nSet-Cookie: a=1\r\n\r\npage"


async def test_the_page_of_the_error_target_comes_under_the_original_status(
    start_proxy: Any, upstream: Any, connect: Any
) -> None:
    hub = Hub(PAGE)
    proxy = await start_proxy({"/gone": "http://127.0.0.1:1"}, error_target=await upstream(hub) + "/hub/error")
    client = await connect(proxy.port)
    status, fields, body = await client.get("/nowhere?x=1&y=/", "Cookie: secret")
    assert (status, fields["content-type"], body) == (404, "text/x-hub", b"page")
    assert "set-cookie" not in fields
    assert hub.asked[0].startswith(b"GET /hub/error/404?url=%2Fnowhere%3Fx%3D1%26y%3D%2F HTTP/1.1\r\n")
    assert b"secret" not in hub.asked[0]
    assert (await client.get("/gone"))[0] == 503
    assert hub.asked[1].startswith(b"GET /hub/error/503?url=%2Fgone ")


async def test_json_needs_no_page(start_proxy: Any, upstream: Any, connect: Any) -> None:
    hub = Hub(PAGE)
    proxy = await start_proxy(error_target=await upstream(hub))
    client = await connect(proxy.port)
    assert (await client.get("/hub/api/x"))[1]["content-type"] == "application/json"
    assert not hub.asked


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nContent-Type: a/b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n" + b"x" * 1_100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
async def test_without_a_usable_page_the_built_in_one_serves(
    start_proxy: Any, upstream: Any, connect: Any, answer: bytes
) -> None:
    proxy = await start_proxy(error_target=await upstream(Hub(answer)))
    client = await connect(proxy.port)
    status, fields, body = await client.get("/nowhere")
    assert (status, fields["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"404 Not Found" in body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\npage",
    ],
)
async def test_pages_in_any_framing(start_proxy: Any, upstream: Any, connect: Any, answer: bytes) -> None:
    proxy = await start_proxy(error_target=await upstream(Hub(answer)))
    client = await connect(proxy.port)
    assert (await client.get("/nowhere"))[2] == b"page"


async def test_an_error_target_that_hangs_or_is_down(start_proxy: Any, upstream: Any, connect: Any) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(60)

    for target in (await upstream(hang), "http://127.0.0.1:1"):
        proxy = await start_proxy(error_target=target, error_timeout=0.1)
        client = await connect(proxy.port)
        assert (await client.get("/nowhere"))[0] == 404


async def test_a_client_may_leave_while_its_page_is_fetched(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()

    proxy = await start_proxy(error_target=await upstream(hang))
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(asked.wait(), 5)
    client.writer.transport.abort()
    await eventually(lambda: not proxy.context.connections and not proxy.context._tasks)


async def test_pages_of_a_directory(start_proxy: Any, connect: Any, tmp_path: Path) -> None:
    (tmp_path / "404.html").write_text("mine")
    (tmp_path / "error.html").write_text("any")
    proxy = await start_proxy({"/gone": "http://127.0.0.1:1"}, error_path=str(tmp_path))
    client = await connect(proxy.port)
    assert (await client.get("/nowhere"))[2] == b"mine"
    assert (await client.get("/gone"))[2] == b"any"


async def test_a_body_behind_an_error_keeps_the_connection_in_step(
    start_proxy: Any, upstream: Any, connect: Any
) -> None:
    proxy = await start_proxy(error_target=await upstream(Hub(PAGE)))
    client = await connect(proxy.port)
    await client.send(b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
    assert (await client.answer())[0] == 404
    assert (await client.get("/_chp_healthz"))[0] == 200


async def test_without_target_or_directory_there_are_no_pages() -> None:
    pages = error_pages("", "", 1.0, lambda _: None)
    assert isinstance(pages, ErrorPages)
    assert not pages.remote
    assert pages.local(404) is None
    assert await pages.fetch(404, b"/", b"i") is None
    with pytest.raises(ValueError, match="target"):
        error_pages("ftp://x", "", 1.0, lambda _: None)
