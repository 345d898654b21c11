"""Prometheus metrics, under the names that dashboards made for JupyterHub read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from perijove.hub.core import events
from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.facts import Fact

PREFIX = "jupyterhub"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STALL_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SERVER_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600)


class Metrics:
    """All metrics of one hub, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._starting: set[str] = set()
        self._requests = self._histogram(
            "request_duration_seconds",
            "Seconds from request to answer",
            ("method", "handler", "code"),
            _REQUEST_SECONDS,
        )
        self._spawns = self._histogram(
            "server_spawn_duration_seconds", "Seconds from asking for a server until it is ready", ("status",)
        )
        self._stops = self._histogram(
            "server_stop_seconds", "Seconds from the wish to stop a server to its end", ("status",)
        )
        self._intervals = self._histogram(
            "event_loop_interval_seconds", "Seconds by which the event loop was late", (), _STALL_SECONDS
        )
        self._running = self._gauge("running_servers", "Servers that run")
        self._users = self._gauge("total_users", "Users")
        self._active = Gauge(
            "active_users", "Users active within a period", ("period",), namespace=PREFIX, registry=self.registry
        )
        self._sign_ins = self._counter("sign_ins", "Attempts to sign in", ("status",))
        self._crashes = self._counter("server_crashes", "Servers that ended by themselves after they were ready")
        self._adoptions = self._counter("server_adoptions", "Running servers found by a hub that did not start them")
        self._tokens = self._counter("token_changes", "API tokens made and revoked", ("change",))
        self._proxy_restarts = self._counter("proxy_restarts", "How often the proxy was found dead and started again")
        self._audit_failures = self._counter("audit_failures", "What went wrong with the audit log", ("kind",))
        self._drifts = self._counter(
            "drift_corrections", "Servers found otherwise than stored, and put right", ("kind",)
        )
        for drift in Drift:
            self._drifts.labels(drift.value)
        self._routes = self._counter("proxy_route_corrections", "Routes put right in the proxy's table", ("change",))

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = _SERVER_SECONDS
    ) -> Histogram:
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, namespace=PREFIX, registry=self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def observe_request(self, method: str, handler: str, code: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            method: its method; one that is not known counts as OTHER, or callers could fill the memory with labels.
            handler: the name of the code that answered it, never a path.
            code: the status of the answer.
            seconds: how long it took.
        """
        self._requests.labels(method if method in _METHODS else "OTHER", handler, str(code)).observe(seconds)

    def observe_event_loop(self, seconds: float) -> None:
        """Count by how much the event loop was late."""
        self._intervals.observe(seconds)

    def set_running(self, servers: int) -> None:
        """Say how many servers run."""
        self._running.set(servers)

    def set_users(self, users: int) -> None:
        """Say how many users there are."""
        self._users.set(users)

    def set_active_users(self, period: str, users: int) -> None:
        """Say how many users were active within *period*."""
        self._active.labels(period).set(users)

    def emit(self, fact: Fact) -> None:
        """Count what happened."""
        match fact:
            case events.SignedIn():
                self._sign_ins.labels("success").inc()
            case events.SignInRefused():
                self._sign_ins.labels("failure").inc()
            case events.GuessingSlowed():
                self._sign_ins.labels("limited").inc()
            case events.TokenCreated():
                self._tokens.labels("created").inc()
            case events.TokenRevoked():
                self._tokens.labels("revoked").inc()
            case events.ProxyRestarted():
                self._proxy_restarts.inc()
            case DriftFound():
                self._drifts.labels(fact.drift.value).inc()
            case events.RoutesChanged():
                self._routes.labels("added").inc(fact.added)
                self._routes.labels("deleted").inc(fact.deleted)
            case events.ServerStartRequested():
                self._starting.add(fact.server)
            case events.ServerReady() | events.ServerFailed() | events.ServerStopped() | events.ServerAdopted():
                self._count_server(fact)
                self._starting.discard(fact.server)
            case _:
                pass  # not every fact is worth a number

    def _count_server(
        self, fact: events.ServerReady | events.ServerFailed | events.ServerStopped | events.ServerAdopted
    ) -> None:
        match fact:
            case events.ServerReady():
                self._spawns.labels("success").observe(fact.seconds)
            case events.ServerFailed() if fact.server in self._starting:
                self._spawns.labels("failure").observe(fact.seconds)
            case events.ServerFailed():
                self._crashes.inc()
            case events.ServerStopped():
                self._stops.labels("success").observe(fact.seconds)
            case events.ServerAdopted():
                self._adoptions.inc()

    def audit_failed(self, lost: int) -> None:
        """Count a write of the audit log that failed, or *lost* entries that did not fit into memory meanwhile."""
        self._audit_failures.labels("entry lost" if lost else "write failed").inc(lost or 1)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
