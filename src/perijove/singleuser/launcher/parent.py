"""The prepared process: single-threaded, everything imported; copies itself on request, and tells how copies ended.

It never reads a request: the copy does, from a socket that is handed through. Its own memory, which every copy shares,
so never holds anybody's secrets. It ends when its control socket is closed; copies live on.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from typing import NoReturn

from perijove.wire.launching import COPY, PREPARED

Answer = dict[str, object]


class Copy:
    """What a copy has in place of its parent's loop: the socket with its request, and where its output goes."""

    def __init__(self, request: socket.socket, output: int) -> None:
        self.request = request
        self.output = output


def send_line(connection: socket.socket, answer: Answer) -> None:
    """Send one answer; nobody minds if whoever asked is gone."""
    with contextlib.suppress(OSError):
        connection.send(json.dumps(answer).encode() + b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class Parent:
    """Serves one control socket."""

    def __init__(self, control: socket.socket, *, stale: Callable[[], bool]) -> None:
        self._control = control
        self._stale = stale
        self._copies: dict[int, socket.socket] = {}
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)

    def serve(self) -> Copy | None:
        """Copy this process whenever asked to. Returns in each copy; None in the parent, when it is no longer needed.

        Raises:
            RuntimeError: there are other threads; a copy would miss them, and stop where one held a lock.
        """
        if threading.active_count() > 1:
            raise RuntimeError("something that was imported has started a thread")
        # What is there now is never collected, so that collecting does not touch, and thereby copy, its pages.
        gc.collect()
        gc.freeze()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            self._control.send(PREPARED)
        except ConnectionError:
            return None  # the hub ended meanwhile
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    self._reap()
                    continue
                message, descriptors = _receive(self._control)
                if not message:
                    return None
                if (copy := self._copy(message, descriptors)) is not None:
                    return copy

    def _copy(self, message: bytes, descriptors: list[int]) -> Copy | None:
        if message != COPY or len(descriptors) != 2:
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        request, output = socket.socket(fileno=descriptors[0]), descriptors[1]
        if self._stale():
            send_line(request, {"error": "the installed packages have changed", "stale": True})
            request.close()
            os.close(output)
            return None
        try:
            pid = os.fork()
        except OSError as error:
            send_line(request, {"error": f"no process could be made: {error.strerror}"})
            request.close()
            os.close(output)
            return None
        if pid == 0:
            self._become_copy()
            return Copy(request, output)
        os.close(output)
        self._copies[pid] = request
        return None

    def _become_copy(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in self._copies.values():
            connection.close()
        self._copies.clear()
        self._control.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self._copies.pop(pid, None)
            if connection is not None:
                send_line(connection, {"exit": os.waitstatus_to_exitcode(status)})
                connection.close()


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """Return one message and the descriptors that came with it; nothing once the other side is gone."""
    descriptors = array.array("i")
    try:
        message, ancillary, _, _ = control.recvmsg(
            16, socket.CMSG_SPACE(4 * descriptors.itemsize), socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionError:
        return b"", []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return message, list(descriptors)


def give_up(connection: socket.socket, reason: str) -> NoReturn:
    """End a copy that could not become what was asked for, telling why; whoever asked then starts it otherwise."""
    send_line(connection, {"error": reason})
    os._exit(1)
