"""A worker process, seen from outside."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers.channel import Message, encode, read_message
from perijove.proxy.workers.messages import settings_message, table_message
from perijove.proxy.workers.worker import main


class Launched:
    """A worker whose supervisor is the test."""

    def __init__(self, **settings: Any) -> None:
        self.own, other = socket.socketpair()
        self.own.settimeout(20)
        with other, socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = listening.getsockname()[1]
            files = (other.fileno(), listening.fileno())
            command = [sys.executable, "-m", "perijove.proxy.workers.worker", *map(str, files)]
            self.process = subprocess.Popen(command, pass_fds=files)
        self.send(settings_message(ProxySettings(ip="127.0.0.1", workers=2, **settings)))

    def send(self, message: Message) -> None:
        self.own.sendall(encode(message))

    def until(self, kind: str) -> Message:
        while (message := read_message(self.own))["kind"] != kind:
            pass
        return message

    def serve(self, target: str) -> None:
        parsed = parse_target(target)
        assert isinstance(parsed, Target)
        book = RouteBook()
        book.put("/", parsed, {}, 1.0)
        self.until("hello")
        self.send(table_message(book))
        assert self.until("have")["number"] == 1
        self.until("listening")


@pytest.fixture
def launched() -> Iterator[list[Launched]]:
    workers: list[Launched] = []
    yield workers
    for worker in workers:
        worker.process.kill()
        worker.process.wait(10)
        worker.own.close()


async def begin(worker: Launched, upstream: Any, connect: Any, go_on: asyncio.Event) -> Any:
    """Let a worker serve, and return a client in the middle of an answer."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await go_on.wait()
        writer.write(b"cd")
        await reader.read()

    await asyncio.to_thread(worker.serve, await upstream(slow))
    client = await connect(worker.port)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    return client


@pytest.mark.parametrize("how", ["supervisor gone", "terminated"])
async def test_what_is_under_way_is_finished_at_the_end(
    launched: list[Launched], upstream: Any, connect: Any, how: str, eventually: Any
) -> None:
    worker = Launched(drain_timeout=60)
    launched.append(worker)
    go_on = asyncio.Event()
    client = await begin(worker, upstream, connect, go_on)
    if how == "supervisor gone":
        worker.own.close()
    else:
        worker.process.send_signal(signal.SIGTERM)

    async def refused() -> bool:
        try:
            await connect(worker.port)
        except OSError:
            return True
        return False

    async with asyncio.timeout(10):
        while not await refused():
            await asyncio.sleep(0.01)
    go_on.set()
    assert await client.until_end() == b"abcd"
    assert await asyncio.to_thread(worker.process.wait, 10) == 0


async def test_other_signals_are_the_supervisors(launched: list[Launched], upstream: Any, connect: Any) -> None:
    worker = Launched(drain_timeout=60)
    launched.append(worker)
    go_on = asyncio.Event()
    client = await begin(worker, upstream, connect, go_on)
    for number in (signal.SIGINT, signal.SIGHUP):
        worker.process.send_signal(number)
    worker.send({"kind": "reload"})
    report = await asyncio.to_thread(worker.until, "report")
    assert "/" in report["activity"] or "/" in (await asyncio.to_thread(worker.until, "report"))["activity"]
    go_on.set()
    assert await client.exactly(4) == b"abcd"
    worker.send({"kind": "stop", "drain": 0})
    assert await asyncio.to_thread(worker.process.wait, 10) == 0


def test_without_settings_there_is_nothing_to_do() -> None:
    own, other = socket.socketpair()
    own.close()
    with socket.socket() as listening:
        assert main([str(other.detach()), str(listening.detach())]) == 1
