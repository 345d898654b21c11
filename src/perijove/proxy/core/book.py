"""The routes the proxy serves now and when each was last in use, changed together."""

from __future__ import annotations

from collections.abc import Mapping

from perijove.proxy.core.activity import Activity, to_iso
from perijove.proxy.core.routes import Route, RouteTable, canonical_key, display_name
from perijove.proxy.core.targets import Target


class RouteBook:
    """Holds the current table. Readers take ``table`` once per request; every change replaces it whole."""

    __slots__ = ("activity", "table")

    def __init__(self, *, host_routing: bool = False) -> None:
        self.table = RouteTable(host_routing=host_routing)
        self.activity = Activity()

    def key(self, path: str) -> str:
        """Return the route key for a prefix as the admin API receives it."""
        return canonical_key(path, self.table.host_routing)

    def put(self, key: str, target: Target, data: Mapping[str, object], now: float) -> bool:
        """Add or replace a route. Return whether it is new or leads elsewhere; else its last activity is kept."""
        old = self.table.get(key)
        changed = old is None or old.target.url != target.url
        self.table = self.table.with_route(Route(key, target, dict(data), self.table.host_routing))
        if changed:
            self.activity.begin(key, now)
        return changed

    def remove(self, key: str) -> bool:
        """Remove a route. Return whether there was one."""
        if self.table.get(key) is None:
            return False
        self.table = self.table.without(key)
        self.activity.forget(key)
        return True

    def describe(self, route: Route) -> dict[str, object]:
        """Return a route as the admin API shows it."""
        return {
            **route.data,
            "target": route.target.url,
            "last_activity": to_iso(self.activity.last(route.key) or 0.0),
        }

    def listing(self, inactive_since: float | None = None) -> dict[str, dict[str, object]]:
        """Return all routes by their display name; with a time, only those without activity since then."""
        return {
            display_name(route.key): self.describe(route)
            for route in self.table
            if inactive_since is None or (self.activity.last(route.key) or 0.0) < inactive_since
        }
