"""A large download and a large upload: how fast, and how much memory the proxy takes meanwhile."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping

from backends import LARGE, Backends
from processes import MEGABYTE, CannotMeasure, peak, reset_peak
from proxies import NGINX, Proxy
from table import Aim, Figure, Result, in_turns

ROUNDS = 3


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            raise CannotMeasure(f"the connection closed in the head of an answer: {data[:60]!r}")
        data += got
    head, _, rest = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise CannotMeasure(f"a transfer was answered {head[:40]!r}")
    return head, rest


def download(port: int, behind: Backends) -> float:
    """Fetch the large file; return bytes per second."""
    del behind
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        begin = time.perf_counter()
        connection.sendall(b"GET /user/u0/large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        head, rest = _head(connection)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if length is None or int(length[1]) != LARGE:
            raise CannotMeasure("a download without its length")
        room = bytearray(1 << 20)
        left = LARGE - len(rest)
        while left:
            got = connection.recv_into(room)
            if not got:
                raise CannotMeasure("a download was cut")
            left -= got
        return LARGE / (time.perf_counter() - begin)


def upload(port: int, behind: Backends) -> float:
    """Send the large file; return bytes per second."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, behind.large.open("rb") as file:
        begin = time.perf_counter()
        connection.sendall(
            b"POST /upload/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % LARGE
        )
        connection.sendfile(file)
        _head(connection)
        return LARGE / (time.perf_counter() - begin)


def transfers(proxies: Mapping[str, Proxy], behind: Backends) -> Result:
    """Throughput and peak memory both ways."""
    ways: dict[str, Callable[[int, Backends], float]] = {"download": download, "upload": upload}
    result = Result()
    for way, move in ways.items():

        def once(proxy: Proxy, move: Callable[[int, Backends], float] = move) -> tuple[float, float]:
            reset_peak(proxy.pid)
            return move(proxy.port, behind) / MEGABYTE, peak(proxy.pid) / MEGABYTE

        seen = in_turns(proxies, once, ROUNDS)
        speeds = {name: [speed for speed, _ in values] for name, values in seen.items()}
        peaks = {name: [max(most for _, most in values)] for name, values in seen.items()}
        small = Aim(64, at_least=False)
        result.figures += [
            Figure("transfer", f"1 GB {way}", "MB/s", speeds, aims=(Aim(0.8, NGINX),)),
            Figure("transfer", f"peak resident memory in a 1 GB {way}", "MB", peaks, False, (small,)),
        ]
    return result
