"""What is counted, and Prometheus' text format of it.

A worker counts in plain attributes and gives a *snapshot*: a dictionary of samples, each keyed as it is written, such
as ``requests_proxy{status="200"}``. Samples of several workers are added up, so a snapshot holds nothing that has no
sum. Labels are from closed lists or three-digit statuses, so the number of samples is bounded whatever clients ask for.

Names without the prefix ``perijove_proxy_`` are those of configurable-http-proxy, for dashboards made for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

KINDS = ("hub", "user", "service", "other")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

# name: (type, help). Every sample belongs to one of these.
FAMILIES: dict[str, tuple[str, str]] = {
    "api_route_get": ("counter", "Listings of the route table by the admin API."),
    "api_route_add": ("counter", "Routes added by the admin API."),
    "api_route_delete": ("counter", "Removals of a route asked of the admin API."),
    "find_target_for_req": ("summary", "Seconds to find the route of a request."),
    "last_activity_updating": ("summary", "Seconds to note that a route is in use."),
    "requests_ws": ("counter", "Requests to change to another protocol, such as WebSocket."),
    "requests_web": ("counter", "Other requests."),
    "requests_proxy": ("counter", "Answers given on the public side, by status."),
    "requests_api": ("counter", "Answers given by the admin API, by status."),
    "perijove_proxy_exchanges_total": ("counter", "Requests answered, by whose route and by class of status."),
    "perijove_proxy_first_byte_seconds": ("histogram", "From the head of a request to the head of its answer."),
    "perijove_proxy_received_bytes_total": ("counter", "Bytes from clients: bodies and what tunnels carry."),
    "perijove_proxy_sent_bytes_total": ("counter", "Bytes to clients: answers and what tunnels carry."),
    "perijove_proxy_upstream_errors_total": ("counter", "Exchanges that failed at the target, by how."),
    "perijove_proxy_refused_requests_total": ("counter", "Requests refused because of their form, by status."),
    "perijove_proxy_refused_connections_total": ("counter", "Connections refused because of limits, by status."),
    "perijove_proxy_open_tunnels": ("gauge", "Tunnels open now, such as WebSockets."),
    "perijove_proxy_open_connections": ("gauge", "Connections of clients open now, tunnels included."),
    "perijove_proxy_routes": ("gauge", "Routes in the table."),
    "process_cpu_seconds_total": ("counter", "Processor time used by all processes of the proxy."),
    "process_resident_memory_bytes": ("gauge", "Memory in use by all processes of the proxy."),
    "process_open_fds": ("gauge", "Files and connections that all processes of the proxy have open."),
}

Snapshot = dict[str, float]

# Every worker holds the same table, so these are not added up.
_SHARED = frozenset(("perijove_proxy_routes",))


def _label(name: str, label: str, value: object) -> str:
    return f'{name}{{{label}="{value}"}}'


class Metrics:
    """The counters of one worker. Attributes named after a family of one sample are that sample."""

    __slots__ = (
        "_buckets",
        "_seconds",
        "answers",
        "api_answers",
        "api_route_add",
        "api_route_delete",
        "api_route_get",
        "exchanges",
        "find_count",
        "find_seconds",
        "received",
        "refused_connections",
        "refused_requests",
        "requests_web",
        "requests_ws",
        "sent",
        "touch_count",
        "touch_seconds",
        "upstream_errors",
    )

    def __init__(self) -> None:
        self.requests_web = self.requests_ws = 0
        self.api_route_get = self.api_route_add = self.api_route_delete = 0
        self.find_count = self.touch_count = 0
        self.find_seconds = self.touch_seconds = 0.0
        self.received = dict.fromkeys(KINDS, 0)
        self.sent = dict.fromkeys(KINDS, 0)
        self.answers: dict[int, int] = {}
        self.api_answers: dict[int, int] = {}
        self.exchanges: dict[tuple[str, int], int] = {}
        self.upstream_errors: dict[str, int] = {}
        self.refused_requests: dict[int, int] = {}
        self.refused_connections: dict[int, int] = {}
        self._buckets = {kind: [0] * (len(BUCKETS) + 1) for kind in KINDS}
        self._seconds = dict.fromkeys(KINDS, 0.0)

    def answered(self, kind: str, status: int, received: int, sent: int, first_byte: float | None) -> None:
        """Count an exchange that is over; status 0 for one whose client left before any answer."""
        if status:
            self.answers[status] = self.answers.get(status, 0) + 1
            key = kind, status // 100
            self.exchanges[key] = self.exchanges.get(key, 0) + 1
        self.received[kind] += received
        self.sent[kind] += sent
        if first_byte is not None:
            self._buckets[kind][bisect_left(BUCKETS, first_byte)] += 1
            self._seconds[kind] += first_byte

    def failed(self, how: str) -> None:
        """Count an exchange that failed at its target; *how* from a closed list."""
        self.upstream_errors[how] = self.upstream_errors.get(how, 0) + 1

    def refused(self, status: int, *, connection: bool = False) -> None:
        """Count a request, or a whole connection, that was refused."""
        counts = self.refused_connections if connection else self.refused_requests
        counts[status] = counts.get(status, 0) + 1
        self.answers[status] = self.answers.get(status, 0) + 1

    def asked_api(self, method: str, status: int, *, listing: bool) -> None:
        """Count a call of the admin API below ``/api/routes``."""
        self.api_answers[status] = self.api_answers.get(status, 0) + 1
        if method == "GET" and listing and status == 200:
            self.api_route_get += 1
        elif method == "POST" and status == 201:
            self.api_route_add += 1
        elif method == "DELETE" and status in (204, 404):
            self.api_route_delete += 1

    def snapshot(self) -> Snapshot:
        """Return all samples."""
        samples: Snapshot = {
            "api_route_get": self.api_route_get,
            "api_route_add": self.api_route_add,
            "api_route_delete": self.api_route_delete,
            "find_target_for_req_sum": self.find_seconds,
            "find_target_for_req_count": self.find_count,
            "last_activity_updating_sum": self.touch_seconds,
            "last_activity_updating_count": self.touch_count,
            "requests_ws": self.requests_ws,
            "requests_web": self.requests_web,
        }
        by_status = {
            "requests_proxy": self.answers,
            "requests_api": self.api_answers,
            "perijove_proxy_refused_requests_total": self.refused_requests,
            "perijove_proxy_refused_connections_total": self.refused_connections,
        }
        for name, counts in by_status.items():
            samples |= {_label(name, "status", status): count for status, count in counts.items()}
        for how, count in self.upstream_errors.items():
            samples[_label("perijove_proxy_upstream_errors_total", "reason", how)] = count
        for (kind, hundreds), count in self.exchanges.items():
            samples[f'perijove_proxy_exchanges_total{{kind="{kind}",status="{hundreds}xx"}}'] = count
        for kind in KINDS:
            samples[_label("perijove_proxy_received_bytes_total", "kind", kind)] = self.received[kind]
            samples[_label("perijove_proxy_sent_bytes_total", "kind", kind)] = self.sent[kind]
            samples |= self._histogram(kind)
        return samples

    def _histogram(self, kind: str) -> Snapshot:
        name, total, samples = "perijove_proxy_first_byte_seconds", 0, {}
        for bound, count in zip([*(f"{each:g}" for each in BUCKETS), "+Inf"], self._buckets[kind], strict=True):
            total += count
            samples[f'{name}_bucket{{kind="{kind}",le="{bound}"}}'] = float(total)
        samples[_label(name + "_sum", "kind", kind)] = self._seconds[kind]
        samples[_label(name + "_count", "kind", kind)] = float(total)
        return samples


def added_up(snapshots: Iterable[Mapping[str, float]]) -> Snapshot:
    """Return the samples of several workers as those of one proxy."""
    total: Snapshot = {}
    for snapshot in snapshots:
        for name, value in snapshot.items():
            total[name] = max(total.get(name, 0), value) if name in _SHARED else total.get(name, 0) + value
    return total


def family(sample: str) -> str:
    """Return the family that a sample belongs to."""
    name = sample.partition("{")[0]
    if name in FAMILIES:
        return name
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


def render(samples: Mapping[str, float]) -> bytes:
    """Return *samples* in Prometheus' text format 0.0.4, each family once, with its type and help."""
    by_family: dict[str, list[str]] = {name: [] for name in FAMILIES}
    for sample, value in samples.items():
        by_family[family(sample)].append(f"{sample} {value:.17g}")
    lines: list[str] = []
    for name, values in by_family.items():
        kind, text = FAMILIES[name]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *values]
    return ("\n".join(lines) + "\n").encode()
