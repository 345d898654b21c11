"""Small GET requests over keep-alive connections: how many (wrk), and how late the answers come at a steady rate."""

from __future__ import annotations

import re
import select
import shutil
import socket
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from statistics import median

from processes import CannotMeasure, cpu_seconds
from proxies import CHP, PERIJOVE, Proxy
from table import Figure, Result

CONNECTIONS = 32
PATH = "/user/u500/api/status"
SECONDS = 3
ROUNDS = 3
SHARE = 0.7


def wrk(port: int, seconds: int = SECONDS) -> float:
    """Answers per second that wrk counted. Raises CannotMeasure if wrk is missing or an answer was not a 2xx."""
    program = shutil.which("wrk")
    if program is None:
        raise CannotMeasure("wrk is not installed")
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}{PATH}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None or "Non-2xx" in text:
        raise CannotMeasure(f"wrk: {text.splitlines()[-1]}")
    return float(found[1])


def rates(proxies: Sequence[Proxy]) -> Result:
    """Requests per second, and per second of the proxy's processor time, which other programs disturb less."""
    seen: dict[str, list[tuple[float, float]]] = {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        wrk(proxy.port, 1)
    for _ in range(ROUNDS):
        for proxy in proxies:
            before = cpu_seconds(proxy.pid)
            rate = wrk(proxy.port)
            used = cpu_seconds(proxy.pid) - before
            seen[proxy.name].append((rate, rate * SECONDS / used if used else 0.0))
    title = f"small GET, {CONNECTIONS} connections, 1,000 routes"
    target = "≥ 6 × configurable-http-proxy, ≥ 2 × Traefik, ≥ 0.6 × nginx"
    return Result(
        [
            Figure("rate", title, "requests/s", {k: median(r for r, _ in v) for k, v in seen.items()}, target=target),
            Figure(
                "rate",
                "the same by its cost",
                "requests per CPU second of the proxy",
                {k: median(c for _, c in v) for k, v in seen.items()},
            ),
        ]
    )


class Asker:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
        self.due = 0.0
        self.answer = b""

    def ask(self, due: float) -> None:
        self.due = due
        self.socket.sendall(self.request)

    def read(self) -> bool:
        """Read; return whether the answer is whole. Raises CannotMeasure for another answer than 200."""
        data = self.socket.recv(65536)
        self.answer += data
        if not data or (len(self.answer) > 12 and not self.answer.startswith(b"HTTP/1.1 200")):
            raise CannotMeasure(f"an answer under steady load: {self.answer[:60]!r}")
        head, end, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not end or length is None or len(body) < int(length[1]):
            return False
        self.answer = b""
        return True


def latencies(port: int, rate: float, seconds: float) -> list[float]:
    """Send *rate* requests per second whatever comes back; return the sorted seconds from when each was due.

    A request that finds no free connection waits, and its waiting counts (no coordinated omission).
    """
    askers = {asker.socket.fileno(): asker for asker in (Asker(port) for _ in range(CONNECTIONS))}
    free = deque(askers.values())
    seen: list[float] = []
    begin, sent, total = time.perf_counter(), 0, int(rate * seconds)
    give_up = begin + 3 * seconds
    try:
        while len(seen) < total:
            now = time.perf_counter()
            if now > give_up:
                raise CannotMeasure("it did not keep up")
            while free and sent < total and begin + sent / rate <= now:
                free.popleft().ask(begin + sent / rate)
                sent += 1
            # Only select waits for less than a millisecond.
            wait = begin + sent / rate - time.perf_counter() if free and sent < total else 0.1
            readable, _, _ = select.select(askers, [], [], max(0.0, wait))
            for each in readable:
                asker = askers[each]
                if asker.read():
                    seen.append(time.perf_counter() - asker.due)
                    free.append(asker)
    finally:
        for asker in askers.values():
            asker.socket.close()
    return sorted(seen)


def steady(proxies: Sequence[Proxy]) -> Result:
    """The 99th percentile at 70 % of what configurable-http-proxy can do, the same rate for all."""
    peer = next((proxy for proxy in proxies if proxy.name == CHP), None) or proxies[0]
    rate = SHARE * median(wrk(peer.port, 2) for _ in range(3))
    tails: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
    middles: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
    for _ in range(ROUNDS):
        for proxy in proxies:
            seen = latencies(proxy.port, rate, SECONDS)
            tails[proxy.name].append(seen[int(len(seen) * 0.99)] * 1000)
            middles[proxy.name].append(seen[len(seen) // 2] * 1000)
    title = f"latency at {rate:,.0f} requests/s, {SHARE:.0%} of {peer.name}'s most"
    return Result(
        [
            Figure("latency", f"p99 {title}", "ms", _medians(tails), False, "≤ 0.33 × configurable-http-proxy"),
            Figure("latency", f"p50 {title}", "ms", _medians(middles), False),
        ]
    )


def _medians(seen: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in seen.items()}


def workers(one: Proxy, two: Proxy) -> Result:
    """One worker and two, both on all processors, which the generator shares with them."""
    seen: dict[str, list[float]] = {one.name: [], two.name: []}
    for proxy in (one, two):
        wrk(proxy.port, 1)
    for _ in range(ROUNDS):
        for proxy in (one, two):
            seen[proxy.name].append(wrk(proxy.port))
    values = _medians(seen)
    gain = values[two.name] / values[one.name]
    title = "small GET, one worker against two on two processors that generator and back-end share"
    return Result(
        [
            Figure("workers", f"{title}: one", "requests/s", {PERIJOVE: values[one.name]}),
            Figure("workers", f"{title}: two", "requests/s", {PERIJOVE: values[two.name]}, target="> one worker"),
        ],
        [f"Two workers carried {gain:.2f} × the requests of one."],
    )
