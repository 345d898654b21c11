"""Small GET requests over keep-alive connections: how many (wrk), and how late the answers come at a steady rate."""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque
from collections.abc import Mapping
from statistics import median

import generator
from backends import Backends
from processes import CannotMeasure, cpu_seconds, family
from proxies import CHP, NGINX, PERIJOVE, TRAEFIK, Proxy, rates_and_costs
from table import Aim, Figure, Result, in_turns

CONNECTIONS = 32
PATH = "/user/u500/api/status"
SECONDS = 2
ROUNDS = 4
SHARE = 0.7


def wrk(port: int, seconds: int = SECONDS) -> float:
    """Small requests per second. Raises CannotMeasure."""
    return generator.wrk(f"http://127.0.0.1:{port}{PATH}", CONNECTIONS, seconds)


def rates(proxies: Mapping[str, Proxy], behind: Backends) -> Result:
    """Requests per second, and per second of the proxy's processor time, which other programs disturb less."""
    rates, costs = rates_and_costs(proxies, behind.http, wrk, SECONDS, ROUNDS)
    title = f"small GET, {CONNECTIONS} connections, 1,000 routes"
    aims = Aim(6, CHP), Aim(2, TRAEFIK), Aim(0.6, NGINX)
    return Result(
        [
            Figure("rate", title, "requests/s", rates, aims=aims),
            Figure("rate", "the same by its cost", "requests per CPU second of the proxy", costs),
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


def steady(proxies: Mapping[str, Proxy]) -> Result:
    """The 99th percentile at 70 % of what configurable-http-proxy can do, the same rate for all."""
    name = CHP if CHP in proxies else next(iter(proxies))
    rate = SHARE * median(wrk(proxies[name].port, 2) for _ in range(3))
    seen = in_turns(proxies, lambda proxy: latencies(proxy.port, rate, SECONDS), ROUNDS)
    title = f"latency at {rate:,.0f} requests/s, {SHARE:.0%} of {name}'s most"
    figures = []
    for label, share, aims in (("p99", 0.99, (Aim(0.33, CHP, at_least=False),)), ("p50", 0.5, ())):
        rounds = {each: [one[int(len(one) * share)] * 1000 for one in got] for each, got in seen.items()}
        figures.append(Figure("latency", f"{label} {title}", "ms", rounds, False, aims))
    return Result(figures)


def workers(one: Proxy, two: Proxy, behind: Backends) -> Result:
    """One worker and two, all on the same processors as a generator and a back-end that cost as little as can be.

    What those cost is counted out in the second pair of figures: the requests per second at which the busiest process
    of the proxy would need a whole processor.
    """
    program = behind.program("load")

    def once(proxy: Proxy) -> tuple[float, float]:
        before = {pid: cpu_seconds(pid, alone=True) for pid in family(proxy.pid)}
        rate = generator.load(program, proxy.port, "/ws/status", CONNECTIONS, SECONDS)
        busiest = max(cpu_seconds(pid, alone=True) - used for pid, used in before.items())
        return rate, rate * SECONDS / busiest

    for proxy in (one, two):
        once(proxy)
    seen = in_turns({"one": one, "two": two}, once, ROUNDS)
    title, result = f"small GET, {CONNECTIONS} connections", Result()
    for index, (what, unit, aims) in enumerate(
        (
            ("sharing two processors with generator and back-end", "requests/s", ()),
            (
                "with these counted out",
                "requests/s when the busiest worker fills a processor",
                (Aim(1.0, words="> one worker"),),
            ),
        )
    ):
        rounds = {name: [each[index] for each in values] for name, values in seen.items()}
        gain = [both / alone for both, alone in zip(rounds["two"], rounds["one"], strict=True)]
        result.figures += [
            Figure("workers", f"{title}, one worker, {what}", unit, {PERIJOVE: rounds["one"]}),
            Figure("workers", f"{title}, two workers, {what}", unit, {PERIJOVE: rounds["two"]}),
            Figure("workers", f"{title}, two workers, {what}", "× one worker", {PERIJOVE: gain}, aims=aims),
        ]
    return result
