"""WebSockets through the proxies: messages per second, and what idle ones cost."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping

from backends import frame
from processes import MEGABYTE, CannotMeasure, cpu_seconds, resident
from proxies import CHP, Proxy
from table import Aim, Figure, Result, in_turns

CONNECTIONS = 50
IDLE = 1000
SECONDS = 2.0
ROUNDS = 3
SIZES = {"125 B": 125, "64 KiB": 65536}


def connect(port: int, size: int) -> socket.socket:
    """Open a WebSocket through the proxy at *port*. Raises CannotMeasure if it is refused."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = (
        f"GET /ws/echo?size={size} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
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


def echoes(port: int, size: int, seconds: float) -> float:
    """Messages per second over all connections, each with one message under way."""
    message, expected = frame(size, masked=True), len(frame(size, masked=False))
    connections = {each.fileno(): each for each in (connect(port, size) for _ in range(CONNECTIONS))}
    got = dict.fromkeys(connections, 0)
    unsent = dict.fromkeys(connections, message)
    poll = select.epoll()
    for number, each in connections.items():
        each.setblocking(False)
        poll.register(number, select.EPOLLIN | select.EPOLLOUT)
    count, begin = 0, time.perf_counter()
    until = begin + seconds
    try:
        while time.perf_counter() < until:
            for number, event in poll.poll(1):
                each = connections[number]
                if event & ~select.EPOLLOUT:
                    data = each.recv(262144)
                    if not data:
                        raise CannotMeasure("a WebSocket was closed under load")
                    got[number] += len(data)
                    if got[number] < expected:
                        continue
                    got[number] = 0
                    count += 1
                    unsent[number] = message
                if unsent[number]:
                    unsent[number] = unsent[number][each.send(unsent[number]) :]
                    poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if unsent[number] else 0))
    finally:
        poll.close()
        for each in connections.values():
            each.close()
    return count / (time.perf_counter() - begin)


def echo(proxies: Mapping[str, Proxy]) -> Result:
    """Messages per second, small and large, and by their cost."""
    result = Result()
    for label, size in SIZES.items():

        def once(proxy: Proxy, size: int = size) -> tuple[float, float]:
            before = cpu_seconds(proxy.pid)
            rate = echoes(proxy.port, size, SECONDS)
            return rate, rate * SECONDS / (cpu_seconds(proxy.pid) - before)

        seen = in_turns(proxies, once, ROUNDS)
        title = f"WebSocket echo, {label}, {CONNECTIONS} connections"
        result.figures += [
            Figure(
                "websocket",
                title,
                "messages/s",
                {name: [rate for rate, _ in values] for name, values in seen.items()},
                aims=(Aim(3, CHP),),
            ),
            Figure(
                "websocket",
                f"{title}, by its cost",
                "messages per CPU second of the proxy",
                {name: [cost for _, cost in values] for name, values in seen.items()},
            ),
        ]
    return result


def idle(proxies: Mapping[str, Proxy]) -> Result:
    """Resident memory with many idle WebSockets; each proxy is measured freshly started."""

    def once(proxy: Proxy) -> float:
        connections = [connect(proxy.port, 125) for _ in range(IDLE)]
        time.sleep(0.5)
        memory = resident(proxy.pid) / MEGABYTE
        for each in connections:
            each.close()
        return memory

    title = f"resident memory with {IDLE:,} idle WebSockets"
    return Result([Figure("idle", title, "MB", in_turns(proxies, once, 1), False, (Aim(0.5, CHP, at_least=False),))])
