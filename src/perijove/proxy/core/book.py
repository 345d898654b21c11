"""The routes the proxy serves now, when each was last in use, and what changed, kept together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from perijove.proxy.core.activity import Activity, to_iso
from perijove.proxy.core.changes import Change, ChangeLog
from perijove.proxy.core.routes import Route, RouteTable, canonical_key, display_name
from perijove.proxy.core.targets import Target


class RouteBook:
    """Holds the current table. Readers take ``table`` once per request; every change replaces it whole.

    ``watchers`` are called after each change, with it. ``epoch`` names this life of the proxy.
    """

    __slots__ = ("activity", "changes", "table", "watchers")

    def __init__(self, *, host_routing: bool = False, epoch: str = "") -> None:
        self.table = RouteTable(host_routing=host_routing)
        self.activity = Activity()
        self.changes = ChangeLog(epoch)
        self.watchers: set[Callable[[Change], None]] = set()

    def key(self, path: str) -> str:
        """Return the route key for a prefix as the admin API receives it."""
        return canonical_key(path, self.table.host_routing)

    def route(self, key: str, target: Target, data: Mapping[str, object]) -> Route:
        """Return a route as this book holds it."""
        return Route(key, target, dict(data), self.table.host_routing)

    def put(self, key: str, target: Target, data: Mapping[str, object], now: float) -> bool:
        """Add or replace a route. Return whether it is new or leads elsewhere; else its last activity is kept."""
        old = self.table.get(key)
        self.change((self.route(key, target, data),), (), now)
        return old is None or old.target.url != target.url

    def remove(self, key: str) -> bool:
        """Remove a route. Return whether there was one."""
        return self.change((), (key,), 0.0) is not None

    def replace(self, routes: Iterable[Route], now: float) -> Change | None:
        """Make *routes* the whole table, at once. Return what that changed, None for nothing."""
        put = {route.key: route for route in routes}
        return self.change(put.values(), [route.key for route in self.table if route.key not in put], now)

    def change(self, put: Iterable[Route], drop: Iterable[str], now: float) -> Change | None:
        """Add or replace the routes *put* and remove those of the keys *drop* (unless put), all at once.

        A route that is new or leads elsewhere counts as active *now*; others keep their last activity. Return what
        really changed, None for nothing.
        """
        table, activity = self.table, self.activity
        wanted = {route.key: route for route in put}
        new = tuple(route for key, route in wanted.items() if table.get(key) != route)
        dropped = tuple(key for key in drop if key not in wanted and table.get(key) is not None)
        if not new and not dropped:
            return None
        for key in dropped:
            activity.forget(key)
        for route in new:
            old = table.get(route.key)
            if old is None or old.target.url != route.target.url:
                activity.begin(route.key, now)
        self.table = table.changed(new, dropped)
        change = self.changes.record(new, dropped)
        for watcher in tuple(self.watchers):
            watcher(change)
        return change

    def describe(self, route: Route) -> dict[str, object]:
        """Return a route as the admin API shows it."""
        # With host routing configurable-http-proxy names the host, too.
        host = {"host": route.key.split("/")[1]} if route.host_routing and route.key != "/" else {}
        return {
            **route.data,
            **host,
            "target": route.target.url,
            "last_activity": to_iso(self.activity.last(route.key) or 0.0),
        }

    def listing(self, inactive_since: float | None = None) -> dict[str, dict[str, object]]:
        """Return all routes by their display name, sorted; with a time, only those without activity since then."""
        return {
            display_name(route.key): self.describe(route)
            for route in sorted(self.table, key=lambda each: each.key)
            if inactive_since is None or (self.activity.last(route.key) or 0.0) < inactive_since
        }
