"""The process that leads the workers: it owns the routes and the admin API, and serves no requests itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from perijove.proxy.bootstrap import (
    CannotStart,
    Listeners,
    bind,
    keep_state,
    new_api,
    new_book,
    open_admin,
    open_metrics,
    open_redirect,
    socket_paths,
)
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.changes import Change
from perijove.proxy.core.metrics import FAMILIES, Metrics, Snapshot, added_up, family
from perijove.proxy.net.gauges import process_samples
from perijove.proxy.net.logs import log
from perijove.proxy.net.sockets import notice_vanished_peers
from perijove.proxy.net.statefile import StateFile
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers.channel import Message, encode
from perijove.proxy.workers.member import Member
from perijove.proxy.workers.messages import change_message, settings_message, table_message

START_SECONDS = 30.0
STOP_SECONDS = 5.0
"""How long a worker may take to end beyond the time it has to finish what is under way."""
LOOK_SECONDS = 1.0
MOST_SILENCE = 30
"""How many looks in a row may find nothing new from a worker, which reports every second, before it is ended."""
SHORT_LIFE = 2.0
LONGEST_PAUSE = 5.0


class PublicPort:
    """The public address, of which each worker gets a listening socket of its own."""

    def __init__(self, settings: ProxySettings) -> None:
        """Take the address. Raises CannotStart, also where another proxy shares it among its workers."""
        first = bind(settings.ip, settings.port, settings.socket)
        self._family, self._address = first.family, first.getsockname()
        self.port = 0 if self._family == socket.AF_UNIX else int(self._address[1])
        self._both = self._family == socket.AF_INET6 and not first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        if self._family == socket.AF_UNIX:
            self._kept = first
            return
        first.close()
        # Bound but not listening: the port stays ours while no worker lives, and gets no connections.
        self._kept = self._bound()

    def _bound(self) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self._family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self._both)
            bound.bind(self._address)
        except OSError as error:
            bound.close()
            raise CannotStart(f"cannot share port {self.port}: {error.strerror}") from error
        notice_vanished_peers(bound)
        return bound

    def socket(self) -> socket.socket:
        """Return a socket for one more worker; a UNIX socket is one and the same for all. Raises CannotStart."""
        return self._kept.dup() if self._family == socket.AF_UNIX else self._bound()

    def close(self) -> None:
        """Give the address back."""
        self._kept.close()


class Supervisor:
    """The workers and what they share. ``port`` and the other ports are the bound ones, 0 for what is off."""

    def __init__(self, settings: ProxySettings, book: RouteBook) -> None:
        self.port = self.api_port = self.metrics_port = self.redirect_port = 0
        self.book = book
        self.api = new_api(settings, book)
        self.members: dict[int, Member] = {}
        self._settings = settings
        self._listeners = Listeners()
        self._public: PublicPort | None = None
        self._state: StateFile | None = None
        self._slots: list[asyncio.Task[None]] = []
        self._looking: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._failed = ""
        self._buried: Snapshot = {}
        self._metrics = Metrics()

    async def start(self) -> None:
        """Start all workers and, when they serve, the admin API. Raises CannotStart; stop it then, too."""
        settings = self._settings
        self._public = PublicPort(settings)
        self.port = self._public.port
        self.book.watchers.add(self._tell_change)
        self.api.settled = self._settled
        self.api.metrics = self._metrics
        loop = asyncio.get_running_loop()
        self._slots = [loop.create_task(self._keep(slot, self._public)) for slot in range(settings.workers)]
        try:
            async with asyncio.timeout(START_SECONDS):
                while sum(member.listening for member in self.members.values()) < settings.workers:
                    if self._failed:
                        raise CannotStart(self._failed)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise CannotStart("the workers do not start") from None
        self._looking = loop.create_task(self._look())
        self.api_port = await open_admin(self._listeners, settings, self.api)
        self.redirect_port = await open_redirect(self._listeners, settings, self.port)
        self.metrics_port = await open_metrics(self._listeners, settings, self._collect)
        self._listeners.certificates.start()
        self._state = keep_state(settings, self.book)

    async def _keep(self, slot: int, public: PublicPort) -> None:
        """Keep one worker running."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._stopping.is_set():
            member = Member(self._told)
            began = loop.time()
            try:
                with public.socket() as listening:
                    await member.launch(listening, settings_message(self._settings))
                self.members[slot] = member
                self._name_workers()
                status = await member.ended()
            except (OSError, CannotStart) as error:
                status, member.failed = -1, str(error)
            finally:
                await member.close()
            self._bury(slot, member)
            if self._stopping.is_set():
                return
            why = member.failed or f"exit status {status}"
            log.error("worker %d is gone (%s); starting another", member.pid, why)
            self._failed = why
            self._changed.set()
            # At once, unless it never came to work: then ever more slowly.
            pause = min(max(2 * pause, 0.1), LONGEST_PAUSE) if loop.time() - began < SHORT_LIFE else 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _bury(self, slot: int, member: Member) -> None:
        """Forget a worker, but not what it counted: counters never go back."""
        self.members.pop(slot, None)
        counted = {name: value for name, value in member.samples.items() if FAMILIES[family(name)][0] != "gauge"}
        self._buried = added_up((self._buried, counted))
        self._name_workers()
        self.api.look()

    def _name_workers(self) -> None:
        self.api.info["workers"] = [member.pid for member in self.members.values()]

    def _told(self, member: Member, message: Message) -> None:
        kind = message["kind"]
        if kind == "hello":
            member.have = -1
            member.send(encode(table_message(self.book)))
        elif kind == "report":
            activity = self.book.activity
            for key, seen in message["activity"].items():
                activity.touch(key, max(seen, activity.last(key) or 0.0))
        elif kind == "have":
            self.api.look()
        elif kind in ("listening", "failed"):
            self._failed = member.failed or self._failed
            self._changed.set()

    def _tell_change(self, change: Change) -> None:
        message = encode(change_message(change))
        for member in self.members.values():
            if member.have is not None:
                member.send(message)

    def _settled(self, number: int) -> bool:
        return all(member.have is None or member.have >= number for member in self.members.values())

    async def _look(self) -> None:
        """End workers that have stopped to report: they hang, and so does whoever asks them."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for member in self.members.values():
                member.silence += 1
                if member.silence > MOST_SILENCE:
                    log.error("worker %d does not answer any more", member.pid)
                    member.kill()

    async def _collect(self) -> Snapshot:
        own = process_samples() | self._metrics.snapshot()
        return added_up((own, self._buried, *(member.samples for member in self.members.values())))

    def reload(self) -> None:
        """Take changed certificates into use everywhere, and open the access log anew."""
        self._listeners.certificates.check()
        for member in self.members.values():
            member.send(encode({"kind": "reload"}))

    async def stop(self, drain: float | None = None) -> None:
        """Stop accepting, let exchanges under way finish for *drain* seconds (default: as set), then end all."""
        self._stopping.set()
        self._listeners.close()
        for path in socket_paths(self._settings):
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - one call on a local socket file
        limit = self._settings.drain_timeout if drain is None else drain
        message = encode({"kind": "stop", "drain": limit})
        for member in self.members.values():
            member.send(message)
        waiting = [slot for slot in self._slots if not slot.done()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=limit + STOP_SECONDS)
            for slot in late:
                slot.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()
        for transport in self._listeners.admin:
            transport.close()
        if self._state is not None:
            await self._state.close()
        if self._public is not None:
            self._public.close()
        # Closed transports tell their protocols in the next turn of the loop.
        await asyncio.sleep(0)


async def start(settings: ProxySettings) -> Supervisor:
    """Start a proxy of several processes in the running loop and return it, serving. Raises CannotStart."""
    supervisor = Supervisor(settings, new_book(settings))
    try:
        await supervisor.start()
    except BaseException:
        await supervisor.stop(0)
        raise
    return supervisor
