"""The routing table: adding a route among many, finding one among few and many."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from statistics import median

from proxies import PERIJOVE, Proxy
from table import Aim, Figure, Result

from perijove.proxy.core.routes import Route, RouteTable
from perijove.proxy.core.targets import Target, parse_target

COUNTS = (10, 1000, 10_000)
# What a cache that the larger table no longer fits into may cost.
MOST_GROWTH = 1.5
TRIES = 100


def add_time(proxy: Proxy, target: str) -> float:
    """Median milliseconds to add one route over a connection that is open."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.api, timeout=20)
    body, seen = f'{{"target": "{target}"}}', []
    for number in range(TRIES):
        begin = time.perf_counter()
        connection.request("POST", f"/api/routes/user/new{number}", body, proxy.headers)
        connection.getresponse().read()
        seen.append(time.perf_counter() - begin)
    connection.close()
    return median(seen) * 1000


def ask_time(proxy: Proxy) -> float:
    """Median milliseconds of a GET on one connection, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    seen = []
    for number in range(1000):
        begin = time.perf_counter()
        connection.request("GET", f"/user/u{number % 10}/api/status")
        connection.getresponse().read()
        seen.append(time.perf_counter() - begin)
    connection.close()
    return median(seen) * 1000


def look_up_time(count: int) -> float:
    """Microseconds that Perijove's table of *count* routes takes for one look-up."""
    target = parse_target("http://127.0.0.1:1")
    assert isinstance(target, Target)
    keys = [f"/user/u{number}" for number in range(count)]
    found = RouteTable(Route(key, target) for key in keys)
    paths = [f"{key}/api/contents/notes/today.ipynb" for key in keys[:: max(1, count // 1000)]]
    rounds = 20_000 // len(paths)
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(rounds):
            for path in paths:
                found.find(path)
        best = min(best, (time.perf_counter() - begin) / (rounds * len(paths)))
    return best * 1e6


def routes(by_count: Mapping[int, Mapping[str, Proxy]], target: str) -> Result:
    """GET at each size of the table and adding one route to the largest, by proxies with a REST API."""
    asked = {count: {name: [ask_time(proxy)] for name, proxy in by_count[count].items()} for count in COUNTS}
    found = {count: look_up_time(count) for count in COUNTS}
    largest, smallest = max(COUNTS), min(COUNTS)
    result = Result()
    for count in COUNTS:
        grown: tuple[Aim, ...] = ()
        if count == largest:
            words = f"does not grow (≤ {MOST_GROWTH:g} × that among {smallest})"
            grown = (Aim(MOST_GROWTH * found[smallest], at_least=False, words=words),)
        result.figures += [
            Figure("routes", f"GET, one after the other, {count:,} routes", "ms", asked[count], False),
            Figure("routes", f"look-up alone among {count:,} routes", "µs", {PERIJOVE: [found[count]]}, False, grown),
        ]
    added = {name: [add_time(proxy, target)] for name, proxy in by_count[largest].items()}
    title = f"add one route among {largest:,}"
    result.figures.append(Figure("routes", title, "ms", added, False, (Aim(2, at_least=False),)))
    return result
