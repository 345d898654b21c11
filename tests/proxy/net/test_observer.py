"""What is counted and logged of exchanges, seen from outside."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.server import ServerConnection, serve

from perijove.proxy.net.observer import new_observer
from perijove.proxy.settings import ProxySettings


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def logged(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_metrics_and_log_nobody_observes() -> None:
    assert new_observer(ProxySettings()) is None
    observer = new_observer(ProxySettings(metrics_port=0))
    assert observer is not None
    assert observer.access is None


async def test_exchanges(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any, log_file: Path, eventually: Any
) -> None:
    good = await upstream(echo)
    routes = {"/hub": good, "/user/a": "http://127.0.0.1:1"}
    proxy = await start_proxy(
        routes, access_log="json", access_log_file=str(log_file), metrics_port=0, metrics_ip="127.0.0.1"
    )
    client = await connect(proxy.port)
    await client.send(
        b"POST /hub/x?token=secret HTTP/1.1\r\nHost: h\r\nX-Request-ID: mine\r\nUser-Agent: me\r\n"
        b"Authorization: token secret\r\nCookie: secret\r\nContent-Length: 3\r\n\r\nabc"
    )
    status, _, body = await client.answer()
    assert (status, body[-3:]) == (200, b"abc")
    assert (await client.get("/user/a/"))[0] == 503
    assert (await client.get("/nowhere"))[0] == 404
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert (await client.answer())[0] == 400
    await eventually(lambda: len(log_file.read_text().splitlines()) == 4)
    lines = logged(log_file)
    assert "secret" not in log_file.read_text()
    assert [(line["status"], line["kind"], line["path"]) for line in lines] == [
        (200, "hub", "/hub/x"),
        (503, "user", "/user/a/"),
        (404, "other", "/nowhere"),
        (400, "other", "-"),
    ]
    assert [line.get("fault") for line in lines] == [None, "unreachable", "no_route", "refused"]
    first = lines[0]
    assert (first["request_id"], first["agent"], first["address"]) == ("mine", "me", "127.0.0.1")
    assert (first["received"], first["target"], first["method"]) == (3, good, "POST")
    assert first["sent"] > len(body)
    assert 0 < first["first_byte"] <= first["seconds"]

    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.metrics_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    metrics = (await asyncio.wait_for(reader.read(), 10)).decode().splitlines()
    writer.close()
    for wanted in (
        "requests_web 3",
        'requests_proxy{status="200"} 1',
        'requests_proxy{status="404"} 1',
        'perijove_proxy_exchanges_total{kind="hub",status="2xx"} 1',
        'perijove_proxy_upstream_errors_total{reason="unreachable"} 1',
        'perijove_proxy_refused_requests_total{status="400"} 1',
        'perijove_proxy_received_bytes_total{kind="hub"} 3',
        'perijove_proxy_first_byte_seconds_count{kind="hub"} 1',
    ):
        assert wanted in metrics


async def test_clients_that_leave_and_targets_that_break_off(
    start_proxy: Any, upstream: Any, connect: Any, log_file: Path, eventually: Any
) -> None:
    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/silent" in head:
            await reader.read()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()

    proxy = await start_proxy({"/": await upstream(breaks_off)}, access_log="json", access_log_file=str(log_file))
    leaving, cut = await connect(proxy.port), await connect(proxy.port)
    await leaving.send(b"GET /silent HTTP/1.1\r\nHost: h\r\n\r\n")
    await eventually(lambda: len(proxy.context.connections) == 2)
    leaving.writer.transport.abort()
    await eventually(lambda: len(logged(log_file)) == 1)
    await cut.send(b"GET /cut HTTP/1.1\r\nHost: h\r\n\r\n")
    await eventually(lambda: len(logged(log_file)) == 2)
    left, broken = logged(log_file)
    assert (left["status"], left["path"], left["first_byte"]) == (499, "/silent", None)
    assert (broken["status"], broken["path"], broken["fault"]) == (200, "/cut", "invalid_answer")


async def test_tunnels(start_proxy: Any, log_file: Path, eventually: Any) -> None:
    async def echo_messages(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo_messages, "127.0.0.1", 0) as server:
        target = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        proxy = await start_proxy(
            {"/user/a": target},
            access_log="json",
            access_log_file=str(log_file),
            metrics_port=0,
            metrics_ip="127.0.0.1",
        )
        async with ws_connect(f"ws://127.0.0.1:{proxy.port}/user/a/ws", compression=None) as client:
            await client.send(b"x" * 1000)
            await client.recv()
            assert log_file.read_text() == ""
        await eventually(lambda: len(logged(log_file)) == 1)
    line = logged(log_file)[0]
    assert (line["status"], line["tunnel"], line["kind"]) == (101, True, "user")
    assert line["received"] > 1000
    assert line["sent"] > 1000
    samples = proxy.context.observer.metrics.snapshot()
    assert samples["requests_ws"] == samples['requests_proxy{status="101"}'] == 1
    assert samples['perijove_proxy_received_bytes_total{kind="user"}'] == line["received"]
