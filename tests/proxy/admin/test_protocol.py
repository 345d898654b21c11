"""The admin API over a connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from perijove.proxy.admin.protocol import MAX_BODY

TOKEN = "Authorization: token secret"


async def test_an_http_client_drives_the_proxy(start_proxy: Any, upstream: Any, connect: Any, echo: Any) -> None:
    proxy = await start_proxy()
    target = await upstream(echo)
    base = f"http://127.0.0.1:{proxy.api_port}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": "token secret"}) as api:
        added = await api.post("/api/routes/user/a%40b", json={"target": target, "user": "a@b"})
        assert (added.status_code, added.content) == (201, b"")
        listed = await api.get("/api/routes")
        assert listed.headers["content-type"] == "application/json"
        assert listed.json()["/user/a@b"]["target"] == target
        assert (await api.get("/api/routes", params={"inactive_since": "nonsense"})).status_code == 400
        client = await connect(proxy.port)
        assert (await client.get("/user/a%40b/x"))[0] == 200
        removed = await api.delete("/api/routes/user/a%40b")
        assert (removed.status_code, removed.content) == (204, b"")
        assert (await client.get("/user/a%40b/x"))[0] == 404
        assert (await api.head("/api/info")).status_code == 200
        assert (await api.get("/api/info")).json()["name"] == "perijove"
    async with httpx.AsyncClient(base_url=base) as stranger:
        assert (await stranger.get("/api/routes")).status_code == 403


async def test_a_removed_route_leaves_open_connections_alone(
    start_proxy: Any, upstream: Any, connect: Any, eventually: Any
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)

    proxy = await start_proxy({"/user/a": await upstream(handle)})
    client = await connect(proxy.port)
    await client.send(b"GET /user/a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n")
    await client.head()
    proxy.book.remove("/user/a")
    await client.send(b"still")
    assert await client.exactly(5) == b"still"


async def test_requests_one_behind_the_other_and_in_pieces(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.api_port)
    body = json.dumps({"target": "http://127.0.0.1:1"}).encode()
    add = f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    show = f"GET /api/routes HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\n\r\n".encode()
    raw = add + show + show
    for start in range(0, len(raw), 7):
        await client.send(raw[start : start + 7])
    assert (await client.answer())[0] == 201
    assert "/a" in json.loads((await client.answer())[2])
    assert (await client.answer())[0] == 200


async def test_chunked_and_expected_bodies(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.api_port)
    head = f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nExpect: 100-continue\r\n"
    await client.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b'b\r\n{"target": \r\n14\r\n"http://127.0.0.1:1"\r\n1\r\n}\r\n0\r\n\r\n')
    assert (await client.answer())[0] == 201


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n", 413),
        (
            f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "10000\r\n"
            + "x" * 65536
            + "\r\n"
            + ("10000\r\n" + "x" * 65536 + "\r\n") * 16,
            413,
        ),
        (f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("GET /api/routes HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        ("GET /api/routes HTTP/1.1\nHost: h\n\n", 400),
        ("GET /api/routes HTTP/1.1\r\nHost: h\r\nX: " + "a" * 70_000, 431),
    ],
)
async def test_what_is_refused(start_proxy: Any, connect: Any, raw: str, status: int) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.api_port)
    await client.send(raw.encode())
    assert (await client.head()).startswith(f"HTTP/1.1 {status} ".encode())
    assert not len(proxy.book.table)


async def test_many_changes_at_once_all_arrive(start_proxy: Any) -> None:
    proxy = await start_proxy()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.api_port}", headers={"Authorization": "token secret"}
    ) as api:
        await asyncio.gather(
            *(api.post(f"/api/routes/user/{n}", json={"target": f"http://127.0.0.1:{n + 1}"}) for n in range(100))
        )
        assert len((await api.get("/api/routes")).json()) == 100
        await asyncio.gather(*(api.delete(f"/api/routes/user/{n}") for n in range(0, 100, 2)))
        assert len((await api.get("/api/routes")).json()) == 50
