"""A process that serves requests and is told the routes by its supervisor.

Started as ``python -m perijove.proxy.workers.worker CHANNEL LISTENING``, the numbers of two open files.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Sequence

from perijove.proxy.bootstrap import (
    CannotStart,
    Listeners,
    RunningProxy,
    loop_factory,
    new_api,
    new_context,
    open_public,
    raise_open_files,
)
from perijove.proxy.core.book import RouteBook
from perijove.proxy.net.gauges import worker_samples
from perijove.proxy.net.logs import configure, log
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers.channel import BrokenChannel, Channel, Message, connect, encode, read_message
from perijove.proxy.workers.messages import apply, read_settings

REPORT_SECONDS = 1.0


class Worker:
    """One worker in the running event loop."""

    def __init__(self, settings: ProxySettings, listening: socket.socket) -> None:
        self._book = RouteBook(host_routing=settings.host_routing)
        self._listening = listening
        self._listeners = Listeners()
        context = new_context(settings, self._book)
        self._proxy = RunningProxy(context, new_api(settings, self._book), 0, 0, self._listeners, [], None)
        self._channel: Channel | None = None
        self._opening: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._told_again = asyncio.Event()
        self._drain: float | None = None
        self._reported = time.time()

    async def work(self, connection: socket.socket) -> None:
        """Serve until told to stop, or until the supervisor is gone. Raises CannotStart."""
        loop = asyncio.get_running_loop()
        # An interrupt at the terminal reaches all processes; the supervisor says what to do.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        loop.add_signal_handler(signal.SIGTERM, self._told.set)
        channel = self._channel = await connect(connection, self._received, self._told.set)
        channel.send(encode({"kind": "hello"}))
        reporting = loop.create_task(self._report_on())
        await self._told.wait()
        try:
            if self._opening is not None:
                await self._opening
            await self._stop()
        finally:
            reporting.cancel()
            self._report()
            channel.close()
            await asyncio.sleep(0)

    async def _stop(self) -> None:
        """Stop; being told again ends the wait for what is under way."""
        loop = asyncio.get_running_loop()
        stopping = loop.create_task(self._proxy.stop(self._drain))
        hurrying = loop.create_task(self._told_again.wait())
        await asyncio.wait((stopping, hurrying), return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        stopping.cancel()
        await asyncio.wait((stopping, hurrying))
        await self._proxy.stop(0)

    def _received(self, message: Message) -> None:
        match message["kind"]:
            case "table" | "change":
                apply(self._book, message)
                self._send({"kind": "have", "number": message["number"]})
                if self._opening is None:
                    self._opening = asyncio.get_running_loop().create_task(self._open())
            case "reload":
                self._proxy.reload()
            case "stop":
                self._drain = message["drain"]
                (self._told_again if self._told.is_set() else self._told).set()

    async def _open(self) -> None:
        try:
            await open_public(self._listeners, self._proxy.context, self._listening)
        except (CannotStart, OSError) as error:
            self._send({"kind": "failed", "reason": str(error)})
            self._told.set()
        else:
            self._listeners.certificates.start()
            self._send({"kind": "listening"})

    def _send(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(encode(message))

    async def _report_on(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._report()

    def _report(self) -> None:
        # What was touched within this very moment may be told twice, never lost.
        since, self._reported = self._reported, time.time() - 0.001
        activity = self._book.activity.since(since)
        self._send({"kind": "report", "activity": activity, "samples": worker_samples(self._proxy.context)})


def main(argv: Sequence[str]) -> int:
    """Run a worker on the open files that *argv* names; return the exit status."""
    connection, listening = (socket.socket(fileno=int(number)) for number in argv)
    try:
        settings = read_settings(read_message(connection))
    except BrokenChannel:
        connection.close()
        listening.close()
        return 1
    handler = configure(settings.log_level)
    raise_open_files()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(settings, connection, listening))
    finally:
        handler.close()
    return 0


async def _run(settings: ProxySettings, connection: socket.socket, listening: socket.socket) -> None:
    try:
        worker = Worker(settings, listening)
    except CannotStart as error:
        with contextlib.suppress(OSError):
            connection.sendall(encode({"kind": "failed", "reason": str(error)}))
        log.error("%s", error)
        return
    await worker.work(connection)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
