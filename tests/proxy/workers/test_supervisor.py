"""A proxy of several processes: what clients and callers of the admin API see, also when a worker is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from perijove.proxy.bootstrap import CannotStart
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers import supervisor as module
from perijove.proxy.workers.supervisor import PublicPort, Supervisor

BROKEN = (ConnectionError, asyncio.IncompleteReadError)


def api_of(proxy: Supervisor) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{proxy.api_port}", headers={"Authorization": "token secret"}, timeout=30
    )


async def tunnel_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n")
    while data := await reader.read(100):
        writer.write(data)


async def test_each_worker_has_a_change_before_it_is_answered(
    start_workers: Any, upstream: Any, connect: Any, echo: Any, eventually: Any
) -> None:
    proxy = await start_workers()
    target = await upstream(echo)
    began = time.time()
    async with api_of(proxy) as api:
        info = (await api.get("/api/info")).json()
        assert info["pid"] == os.getpid()
        assert len(set(info["workers"])) == 2
        for number in range(5):
            path = f"/user/u{number}"
            assert (await api.post(f"/api/routes{path}", json={"target": target})).status_code == 201
            assert {(await (await connect(proxy.port)).get(path))[0] for _ in range(10)} == {200}
            assert (await api.delete(f"/api/routes{path}")).status_code == 204
            assert {(await (await connect(proxy.port)).get(path))[0] for _ in range(10)} == {404}
        await api.put("/api/routes", json={"/used": {"target": target}, "/idle": {"target": target}})
        proxy.book.activity.begin("/used", 1.0)
        proxy.book.activity.begin("/idle", 1.0)
        assert (await (await connect(proxy.port)).get("/used"))[0] == 200
        await eventually(lambda: (proxy.book.activity.last("/used") or 0) >= began)
        assert proxy.book.activity.last("/idle") == 1.0
        async with asyncio.timeout(10):
            while await counted(proxy) != 51:
                await asyncio.sleep(0.05)


async def metrics(proxy: Supervisor) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{proxy.metrics_port}/metrics")).text


async def counted(proxy: Supervisor) -> int:
    _, _, found = (await metrics(proxy)).partition('requests_proxy{status="200"} ')
    return int(found.partition("\n")[0] or 0)


async def test_a_killed_worker_breaks_its_own_connections_and_nothing_else(
    start_workers: Any, upstream: Any, connect: Any, echo: Any, eventually: Any
) -> None:
    """Under load: tunnels and requests of the killed worker break, others go on, new ones are served, none hangs."""
    proxy = await start_workers({"/ws": await upstream(tunnel_echo), "/": await upstream(echo)})
    tunnels = [await connect(proxy.port) for _ in range(40)]
    for tunnel in tunnels:
        await tunnel.send(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n")
        await tunnel.head()
    open_tunnels = "perijove_proxy_open_tunnels"
    await eventually(lambda: sum(each.samples.get(open_tunnels, 0) for each in proxy.members.values()) == 40)
    victim = max(proxy.members.values(), key=lambda each: each.samples[open_tunnels])
    served, broken, stop = 0, 0, False

    async def load() -> None:
        nonlocal served, broken
        client = None
        while not stop:
            try:
                client = client or await connect(proxy.port)
                assert (await client.get("/x"))[0] == 200
                served += 1
            except BROKEN:
                broken += 1
                client = None

    callers = [asyncio.create_task(load()) for _ in range(16)]
    await eventually(lambda: served > 100)
    os.kill(victim.pid, signal.SIGKILL)
    at_kill = served
    await eventually(lambda: served > at_kill + 200)
    await eventually(lambda: len(proxy.members) == 2 and victim not in proxy.members.values())
    await eventually(lambda: all(member.listening for member in proxy.members.values()))
    after = served
    await eventually(lambda: served > after + 200)
    stop = True
    await asyncio.wait_for(asyncio.gather(*callers), 10)
    # A caller may also meet the dying socket once more while it connects again.
    assert broken <= 2 * len(callers)

    async def lives(tunnel: Any) -> bool:
        try:
            await tunnel.send(b"still")
            return bool(await tunnel.exactly(5) == b"still")
        except BROKEN:
            return False

    alive = sum(await asyncio.gather(*map(lives, tunnels)))
    assert alive == 40 - victim.samples[open_tunnels]
    proxy.book.remove("/ws")
    await eventually(lambda: all(member.have == proxy.book.changes.last for member in proxy.members.values()))
    # What the killed worker did in its last second is not counted; all else is.
    async with asyncio.timeout(10):
        while await counted(proxy) < 200:
            await asyncio.sleep(0.05)


async def test_all_workers_killed_again_and_again_come_back(
    start_workers: Any, upstream: Any, connect: Any, echo: Any, eventually: Any
) -> None:
    proxy = await start_workers({"/": await upstream(echo)})
    for _ in range(2):
        old = {member.pid for member in proxy.members.values()}
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda old=old: not old & {member.pid for member in proxy.members.values()})
        await eventually(lambda: sum(member.listening for member in proxy.members.values()) == 2)
        assert (await (await connect(proxy.port)).get("/"))[0] == 200


async def test_a_worker_that_hangs_is_replaced_and_no_change_waits_for_it_forever(
    start_workers: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.25)
    monkeypatch.setattr(module, "MOST_SILENCE", 10)
    proxy = await start_workers()
    victim = next(iter(proxy.members.values()))
    os.kill(victim.pid, signal.SIGSTOP)
    async with api_of(proxy) as api:
        answer = await asyncio.wait_for(api.post("/api/routes/a", json={"target": "http://127.0.0.1:1"}), 10)
    assert answer.status_code == 201
    await eventually(lambda: victim not in proxy.members.values())


async def accepts(port: int) -> bool:
    """Whether any worker still takes connections; they stop one after the other."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def test_exchanges_of_workers_may_finish(start_workers: Any, upstream: Any, connect: Any) -> None:
    go_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await go_on.wait()
        writer.write(b"cd")
        await reader.read()

    proxy = await start_workers({"/": await upstream(slow)})
    idle, busy = await connect(proxy.port), await connect(proxy.port)
    await busy.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await busy.head()
    stopping = asyncio.create_task(proxy.stop(60))
    assert await idle.until_end() == b""
    async with asyncio.timeout(10):
        while await accepts(proxy.port):
            await asyncio.sleep(0.01)
    go_on.set()
    assert await busy.until_end() == b"abcd"
    await asyncio.wait_for(stopping, 10)
    assert not proxy.members


async def test_being_told_again_ends_the_wait(start_workers: Any, upstream: Any, connect: Any) -> None:
    proxy = await start_workers({"/": await upstream(tunnel_echo)})
    client = await connect(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n")
    await client.head()
    stopping = asyncio.create_task(proxy.stop(60))
    done, _ = await asyncio.wait((stopping,), timeout=0.5)
    assert not done
    stopping.cancel()
    await asyncio.wait_for(proxy.stop(0), module.STOP_SECONDS - 1)
    assert await client.until_end() == b""


async def test_the_state_file_is_the_supervisors(start_workers: Any, upstream: Any, echo: Any, tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    proxy = await start_workers({"/a": await upstream(echo)}, state_file=str(path))
    await proxy.stop(0)
    assert list(json.loads(path.read_text())["routes"]) == ["/a"]
    again = await start_workers(state_file=str(path))
    assert [route.key for route in again.book.table] == ["/a"]


async def test_a_socket_file_is_shared(start_workers: Any, tmp_path: Path) -> None:
    path = tmp_path / "public"
    proxy = await start_workers(socket=str(path), api_socket=str(tmp_path / "private"))
    assert (proxy.port, proxy.api_port) == (0, 0)
    for _ in range(5):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /_chp_healthz HTTP/1.0\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b'{"status":"OK"}')
        writer.close()
    await proxy.stop(0)
    assert not path.exists()


async def test_what_keeps_workers_from_starting_is_told(start_workers: Any) -> None:
    with pytest.raises(CannotStart, match="certificate"):
        await start_workers(ssl_cert="/nonexistent", ssl_key="/nonexistent")
    proxy = await start_workers()
    with pytest.raises(CannotStart, match="cannot listen at"):
        await start_workers(port=proxy.port)
    with pytest.raises(CannotStart, match="cannot listen at"):
        await start_workers(api_port=proxy.api_port)
    with pytest.raises(CannotStart, match="default-target"):
        await start_workers(default_target="ftp://x")


@pytest.mark.parametrize("ip", ["127.0.0.1", "", "::1"])
def test_a_port_is_kept_without_listening_and_shared_with_workers_only(ip: str) -> None:
    if ip == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    settings = ProxySettings(ip=ip, port=0, workers=2)
    public = PublicPort(settings)
    address = ip or "127.0.0.1"
    try:
        with pytest.raises(OSError):
            socket.create_connection((address, public.port), timeout=5)
        with public.socket() as first, public.socket() as second:
            first.listen()
            second.listen()
            socket.create_connection((address, public.port), timeout=5).close()
            with pytest.raises(CannotStart):
                PublicPort(replace(settings, port=public.port))
    finally:
        public.close()
