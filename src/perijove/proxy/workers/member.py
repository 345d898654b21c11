"""One worker as its supervisor sees it: its process, the channel to it, and what it has told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from typing import Any

from perijove.proxy.bootstrap import child_environment
from perijove.proxy.core.metrics import Snapshot
from perijove.proxy.workers.channel import Channel, Message, connect, encode

MOST_WAITING = 512 * 1024 * 1024
"""A worker that leaves so many bytes of changes unread is of no use any more."""


class Member:
    """A worker process. ``have`` is the number of the last change that it has in use, None before it has a table."""

    def __init__(self, told: Callable[[Member, Message], None]) -> None:
        self.have: int | None = None
        self.listening = False
        self.failed = ""
        self.samples: Snapshot = {}
        self.silence = 0
        self.process: Process | None = None
        self._told = told
        self._channel: Channel | None = None
        self._lost = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Member {self.pid}: have={self.have} listening={self.listening}>"

    @property
    def pid(self) -> int:
        """The process id, 0 before there is one."""
        return self.process.pid if self.process is not None else 0

    async def launch(self, listening: socket.socket, settings: Mapping[str, Any]) -> None:
        """Start the process on *listening* (bound; the caller closes it) and tell it its *settings*. Raises OSError."""
        own, other = socket.socketpair()
        with other:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "perijove.proxy.workers.worker"),
                    *(str(other.fileno()), str(listening.fileno())),
                    pass_fds=(other.fileno(), listening.fileno()),
                    stdin=DEVNULL,
                    env=child_environment(),
                )
            except BaseException:
                own.close()
                raise
        own.setblocking(False)
        self._channel = await connect(own, self._received, self._lost.set)
        self._channel.send(encode(settings))

    def _received(self, message: Message) -> None:
        self.silence = 0
        match message["kind"]:
            case "have":
                self.have = max(self.have or 0, message["number"])
            case "listening":
                self.listening = True
            case "failed":
                self.failed = message["reason"]
            case "report":
                self.samples = message["samples"]
        self._told(self, message)

    def send(self, message: bytes) -> None:
        """Send what `encode` returned."""
        if self._channel is None:
            return
        if self._channel.waiting() > MOST_WAITING:
            self.kill()
        else:
            self._channel.send(message)

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Process.kill() may reap one that has just ended, and its exit status is lost then.
                os.kill(self.process.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Wait until the process is gone and all that it told is read; return its exit status."""
        if self.process is None or self._channel is None:
            return -1
        status = await self.process.wait()
        await self._lost.wait()
        return status

    async def close(self) -> None:
        """End the process at once, if it is not gone, and the channel."""
        self.kill()
        if self.process is not None:
            await self.process.wait()
        if self._channel is not None:
            self._channel.close()
