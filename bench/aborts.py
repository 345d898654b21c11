"""Clients that vanish: what stays behind of 10,000 connections broken off at different moments."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping

from backends import Backends
from processes import MEGABYTE, open_files, resident
from proxies import Proxy
from table import Aim, Figure, Result, in_turns

COUNT = 10_000
PATIENCE = 12.0
RESET = struct.pack("ii", 1, 0)

# What a client has sent when it breaks off.
MOMENTS = (
    b"",
    b"GET /user/u1/api HTTP/1.1\r\nHost: h\r\nAcc",
    b"GET /user/u1/api HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /user/u0/large HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /upload/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nsome of it",
    b"POST /upload/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"GET /ws/echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
)


def abort(port: int, count: int) -> None:
    """Open *count* connections and break each off, half of them with a reset, up to 50 at once."""
    waiting: list[socket.socket] = []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        moment = MOMENTS[number % len(MOMENTS)]
        if moment:
            connection.sendall(moment)
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        waiting.append(connection)
        if len(waiting) >= 50:
            for each in waiting:
                each.close()
            waiting.clear()
    for each in waiting:
        each.close()


def settled_files(pid: int, wanted: int) -> int:
    """Open files as soon as they are down to *wanted*, or what they are when patience ends."""
    until = time.monotonic() + PATIENCE
    while (now := open_files(pid)) > wanted and time.monotonic() < until:
        time.sleep(0.2)
    return now


def aborted(proxies: Mapping[str, Proxy], behind: Backends) -> Result:
    """Open files and memory before and after."""
    del behind

    def once(proxy: Proxy) -> tuple[float, float]:
        # The first few hundred fill pools and caches that any use fills.
        files = open_files(proxy.pid)
        abort(proxy.port, 500)
        settled_files(proxy.pid, files)
        memory = resident(proxy.pid)
        abort(proxy.port, COUNT)
        return settled_files(proxy.pid, files) - files, (resident(proxy.pid) - memory) / MEGABYTE

    seen = in_turns(proxies, once, 1)
    files = {name: [float(more) for more, _ in values] for name, values in seen.items()}
    memory = {name: [more for _, more in values] for name, values in seen.items()}
    title, none, little = f"after {COUNT:,} aborted connections: more", Aim(0, at_least=False), Aim(1, at_least=False)
    return Result(
        [
            Figure("aborts", f"{title} open files than at the start", "files", files, False, (none,)),
            Figure("aborts", f"{title} resident memory than after the first 500", "MB", memory, False, (little,)),
        ]
    )
