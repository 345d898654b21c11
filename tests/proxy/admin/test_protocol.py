"""The admin API over a connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from perijove.proxy.admin.api import MAX_BODY, MAX_TABLE

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
        refused = await api.get("/api/routes", params={"inactive_since": "<b>nonsense"})
        assert (refused.status_code, refused.text) == (400, "Invalid datestamp '<b>nonsense' must be ISO8601.")
        assert refused.headers["content-type"].startswith("text/plain")
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
        (f"PUT /api/routes HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nContent-Length: {MAX_TABLE + 1}\r\n\r\n", 413),
        (f"PUT /api/routes HTTP/1.1\r\nHost: h\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n", 413),
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


async def feed(client: Any, query: str) -> Any:
    status, _, body = await client.get(f"/api/changes?{query}", TOKEN)
    assert status == 200
    return json.loads(body)


async def test_ten_thousand_routes_in_one_call(start_proxy: Any) -> None:
    proxy = await start_proxy()
    routes = {
        f"/user/u{number}/": {"target": f"http://127.0.0.1:{number + 1}", "user": f"u{number}", "jupyterhub": True}
        for number in range(10_000)
    }
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.api_port}", headers={"Authorization": "token secret"}
    ) as api:
        for put in (10_000, 0):
            answer = await api.put("/api/routes", json=routes)
            assert answer.status_code == 200
            assert answer.json() == {"epoch": proxy.book.changes.epoch, "id": 1, "put": put, "deleted": 0}
    assert len(proxy.book.table) == 10_000


async def test_a_follower_is_told_at_once_and_can_go_on(start_proxy: Any, connect: Any, eventually: Any) -> None:
    proxy = await start_proxy({"/old": "http://127.0.0.1:1"})
    follower = await connect(proxy.api_port)
    first = await feed(follower, "")
    assert first["reset"] is True
    assert list(first["routes"]) == ["/old"]
    asked = f"epoch={first['epoch']}&since={first['id']}&wait=50"
    waiting = asyncio.create_task(feed(follower, asked))
    await eventually(lambda: len(proxy.api.waiting) == 1)
    caller = await connect(proxy.api_port)
    await caller.send(f"DELETE /api/routes/old HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\n\r\n".encode())
    assert (await caller.head()).startswith(b"HTTP/1.1 204 ")
    second = await waiting
    assert second["changes"] == [{"id": 2, "put": {}, "deleted": ["/old"]}]
    assert not proxy.api.waiting
    assert (await feed(follower, f"epoch={second['epoch']}&since=2&wait=0.01"))["changes"] == []


async def test_requests_behind_one_that_waits_are_answered_in_turn(start_proxy: Any, connect: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.api_port)
    epoch = proxy.book.changes.epoch
    wait = f"GET /api/changes?epoch={epoch}&since=0&wait=0.05 HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\n\r\n"
    show = f"GET /api/routes HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\n\r\n"
    await client.send((wait + show).encode())
    await client.send((wait + show).encode())
    for expected in ({"epoch": epoch, "id": 0, "changes": []}, {}) * 2:
        assert json.loads((await client.answer())[2]) == expected


async def test_a_follower_that_leaves_is_forgotten(start_proxy: Any, connect: Any, eventually: Any) -> None:
    proxy = await start_proxy()
    client = await connect(proxy.api_port)
    asked = f"/api/changes?epoch={proxy.book.changes.epoch}&since=0&wait=50"
    await client.send(f"GET {asked} HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\n\r\n".encode())
    await eventually(lambda: len(proxy.api.waiting) == 1)
    client.writer.transport.abort()
    await eventually(lambda: not proxy.api.waiting)


async def test_an_answer_waits_until_all_workers_have_the_change(
    start_proxy: Any, connect: Any, eventually: Any
) -> None:
    proxy = await start_proxy()
    settled = 0
    proxy.api.settled = lambda number: number <= settled
    client = await connect(proxy.api_port)
    body = b'{"target": "http://127.0.0.1:1"}'
    head = f"POST /api/routes/a HTTP/1.1\r\nHost: h\r\n{TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    await client.send(head.encode() + body)
    await eventually(lambda: len(proxy.api.waiting) == 1)
    settled = 1
    proxy.api.look()
    assert (await client.head()).startswith(b"HTTP/1.1 201 ")
