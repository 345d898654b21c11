"""What is asked of a hub, and what comes of it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from generator import wrk
from hub_programs import JUPYTERHUB, Hub, stalls
from processes import CannotMeasure, cpu_seconds
from proxies import PERIJOVE
from table import Aim, Figure, in_turns

ROUNDS = 3
SECONDS = 2.0
WHO, WHO_CONNECTIONS = "/hub/api/user", 16
LIST, LIST_CONNECTIONS = "/hub/api/users?limit=200", 4
REPORT_CONNECTIONS = 16
FEW, MANY = 100, 1000
WINDOW = 3.0
"""Seconds over which few and many servers report once each."""
FLUSH = 1.0
"""The hubs' activity_resolution."""


@dataclass(slots=True)
class Stalls:
    """What the hubs' own metric says of their event loops while something was measured."""

    counts: dict[str, float] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def watched(self, hubs: Mapping[str, Hub]) -> Iterator[None]:
        """Count what happens meanwhile."""
        before = {name: hub.intervals() for name, hub in hubs.items()}
        yield
        for name, hub in hubs.items():
            self._add(hub, before[name])

    def since_start(self, hub: Hub) -> None:
        """Count what happened since *hub* was started."""
        self._add(hub, {})

    def _add(self, hub: Hub, before: Mapping[float, int]) -> None:
        count, longest = stalls(before, hub.intervals())
        self.counts[hub.name] = self.counts.get(hub.name, 0) + count
        self.longest[hub.name] = max(self.longest.get(hub.name, 0.0), longest)

    def figure(self, topic: str, title: str) -> Figure:
        """The count as a line of the table."""
        rounds = {name: [count] for name, count in self.counts.items()}
        title = f"{title}: stalls of the event loop over 50 ms"
        return Figure(topic, title, "stalls", rounds, False, (Aim(0, at_least=False, words="none"),))


def _rated(hub: Hub, url: str, connections: int, token: str, script: Sequence[str] = ()) -> tuple[float, float]:
    """Answers per second, and per second of the hub's processor time."""
    before = cpu_seconds(hub.pid)
    headers = [] if script else [f"Authorization: token {token}"]
    rate = wrk(url, connections, SECONDS, headers, script)
    return rate, rate * SECONDS / max(cpu_seconds(hub.pid) - before, 0.01)


def _figures(topic: str, title: str, unit: str, seen: Mapping[str, Sequence[tuple[float, float]]]) -> list[Figure]:
    aim = (Aim(10, JUPYTERHUB),)
    rates = {name: [rate for rate, _ in rounds] for name, rounds in seen.items()}
    costs = {name: [cost for _, cost in rounds] for name, rounds in seen.items()}
    return [
        Figure(topic, title, f"{unit}/s", rates, aims=aim),
        Figure(topic, f"{title}, by its cost", f"{unit} per CPU second of the hub", costs),
    ]


def requests(kind: str, hubs: Mapping[str, Hub]) -> list[Figure]:
    """Who am I, by token, and the first 200 of all users."""
    tokens = {name: _token_of_user(hub) for name, hub in hubs.items()}

    def who(name: str) -> tuple[float, float]:
        hub = hubs[name]
        return _rated(hub, f"http://127.0.0.1:{hub.port}{WHO}", WHO_CONNECTIONS, tokens[name])

    def users(name: str) -> tuple[float, float]:
        hub = hubs[name]
        return _rated(hub, f"http://127.0.0.1:{hub.port}{LIST}", LIST_CONNECTIONS, hub.token)

    names = {name: name for name in hubs}
    watch = Stalls()
    with watch.watched(hubs):
        asked = in_turns(names, who, ROUNDS)
        listed = in_turns(names, users, ROUNDS)
    return [
        *_figures("requests", f"{kind}: GET {WHO} by token, {WHO_CONNECTIONS} connections", "requests", asked),
        *_figures("requests", f"{kind}: GET {LIST}, {LIST_CONNECTIONS} connections", "requests", listed),
        watch.figure("requests", f"{kind}: both"),
    ]


def _token_of_user(hub: Hub) -> str:
    return str(json.loads(hub.ask("POST", "/hub/api/users/u0/tokens", {"note": "bench"}))["token"])


def create(hub: Hub, count: int) -> float:
    """Seconds to create *count* users in one request."""
    begin = time.perf_counter()
    hub.ask("POST", "/hub/api/users", {"usernames": [f"new{number}" for number in range(count)]})
    return time.perf_counter() - begin


def reports(
    kind: str, hubs: Mapping[str, Hub], reporters: Mapping[str, Mapping[str, str]], folder: Path
) -> list[Figure]:
    """Activity, reported by 1,000 servers with a token each: how fast, and how often that is written."""
    script = str(Path(__file__).with_name("hub_activity.lua"))
    lists = {name: folder / f"reporters-{kind}-{name}.txt" for name in hubs}
    for name, path in lists.items():
        path.write_text("".join(f"{where} {token}\n" for where, token in reporters[name].items()))

    def report(name: str) -> tuple[float, float]:
        hub = hubs[name]
        url = f"http://127.0.0.1:{hub.port}"
        return _rated(hub, url, REPORT_CONNECTIONS, "", (script, str(lists[name])))

    watch = Stalls()
    with watch.watched(hubs):
        # First these: then all servers have reported once, and what a hub does at the first time is not measured.
        few = {name: [writes_per_interval(hub, list(reporters[name].items())[:FEW])] for name, hub in hubs.items()}
        many = {name: [writes_per_interval(hub, list(reporters[name].items())[:MANY])] for name, hub in hubs.items()}
        seen = in_turns({name: name for name in hubs}, report, ROUNDS)
    title = f"{kind}: transactions that write, an interval, with {{}} servers"
    grown = Aim(1.5 * few[PERIJOVE][0], at_least=False, words=f"not more than with {FEW}")
    return [
        *_figures(
            "reports", f"{kind}: activity reports of 1,000 servers, {REPORT_CONNECTIONS} connections", "reports", seen
        ),
        Figure("reports", title.format(FEW), "transactions", few, False),
        Figure("reports", title.format(f"{MANY:,}"), "transactions", many, False, (grown,)),
        watch.figure("reports", f"{kind}: all of these"),
    ]


def writes_per_interval(hub: Hub, reporters: Sequence[tuple[str, str]]) -> float:
    """How many transactions wrote in an interval, while each of *reporters* reported once, evenly over the window."""
    time.sleep(2 * FLUSH)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    before, begin = hub.database.writes(), time.monotonic()
    for number, (path, token) in enumerate(reporters):
        time.sleep(max(0.0, begin + number * WINDOW / len(reporters) - time.monotonic()))
        now = datetime.now(UTC).isoformat()
        body = f'{{"servers": {{"": {{"last_activity": "{now}"}}}}, "last_activity": "{now}"}}'
        connection.request("POST", path, body, {"Authorization": f"token {token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise CannotMeasure(f"{hub.name}: a report was answered with {answer.status}")
    connection.close()
    reported = time.monotonic() - begin
    time.sleep(1.5 * FLUSH)
    return (hub.database.writes() - before) * FLUSH / reported
