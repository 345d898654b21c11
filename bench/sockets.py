"""WebSockets through the proxies: messages per second, and what idle ones cost."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

import generator
from backends import Backends
from processes import MEGABYTE, CannotMeasure, resident
from proxies import CHP, Proxy, rates_and_costs
from table import Aim, Figure, Result, in_turns

CONNECTIONS = 50
IDLE = 1000
SECONDS = 1
ROUNDS = 3
# What a message is called, its bytes, and how many are under way on each connection.
CASES = (("125 B", 125, 1), ("64 KiB", 65536, 1), ("125 B, eight under way on each", 125, 8))


def connect(port: int) -> socket.socket:
    """Open a WebSocket through the proxy at *port*. Raises CannotMeasure if it is refused."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = (
        f"GET /ws/echo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    connection.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(4096)
        if not data:
            break
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise CannotMeasure(f"a WebSocket was answered {answer[:40]!r}")
    return connection


def echo(proxies: Mapping[str, Proxy], behind: Backends) -> Result:
    """Messages per second, small and large, with and without a proxy, and by their cost."""
    load = behind.program("load")
    result = Result()
    for label, size, depth in CASES:

        def once(port: int, seconds: int, size: int = size, depth: int = depth) -> float:
            return generator.load(load, port, "/ws/echo", CONNECTIONS, seconds, size=size, depth=depth)

        rates, costs = rates_and_costs(proxies, behind.websocket, once, SECONDS, ROUNDS)
        title = f"WebSocket echo, {label}, {CONNECTIONS} connections"
        result.figures += [
            Figure("websocket", title, "messages/s", rates, aims=(Aim(3, CHP),) if depth == 1 else ()),
            Figure("websocket", f"{title}, by its cost", "messages per CPU second of the proxy", costs),
        ]
    return result


def idle(proxies: Mapping[str, Proxy], behind: Backends) -> Result:
    """Resident memory with many idle WebSockets; each proxy is measured freshly started."""
    behind.program("echo")

    def once(proxy: Proxy) -> float:
        connections = [connect(proxy.port) for _ in range(IDLE)]
        time.sleep(0.5)
        memory = resident(proxy.pid) / MEGABYTE
        for each in connections:
            each.close()
        return memory

    title = f"resident memory with {IDLE:,} idle WebSockets"
    return Result([Figure("idle", title, "MB", in_turns(proxies, once, 1), False, (Aim(0.5, CHP, at_least=False),))])
