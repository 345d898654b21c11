"""The route table as text that a proxy started again can read.

It holds what the admin API was told, times of last activity by the second, and whether the first segments of the keys
are hosts, without which the keys mean something else. There is no secret in it: a target carries no credentials.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from perijove.proxy.core.activity import Activity
from perijove.proxy.core.routes import Route, RouteTable, canonical_key
from perijove.proxy.core.targets import BadTarget, parse_target

VERSION = 1


class Saved(NamedTuple):
    """Routes, and times of last activity by their keys."""

    routes: tuple[Route, ...]
    activity: Mapping[str, float]


class Unusable(NamedTuple):
    """Why a text is no table for this proxy, in words for the log."""

    reason: str


def write_table(table: RouteTable, activity: Activity) -> bytes:
    """Return the text of a table."""
    routes = {
        route.key: {
            "target": route.target.url,
            "data": route.data,
            "last_activity": int(activity.last(route.key) or 0.0),
        }
        for route in sorted(table, key=lambda each: each.key)
    }
    return json.dumps({"version": VERSION, "host_routing": table.host_routing, "routes": routes}).encode()


def read_table(text: bytes, *, host_routing: bool, now: float) -> Saved | Unusable:
    """Read a table; one bad route makes all of it unusable. A time of activity after *now* is taken for *now*."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Unusable("it is not JSON")
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return Unusable("it is of another version")
    if document.get("host_routing") is not host_routing:
        return Unusable("it was written with the other setting of --host-routing")
    if not isinstance(document.get("routes"), dict):
        return Unusable("it has no routes")
    routes: list[Route] = []
    activity: dict[str, float] = {}
    for key, saved in document["routes"].items():
        route = _read_route(key, saved, host_routing)
        if route is None:
            return Unusable("a route in it cannot be read")
        seen = saved.get("last_activity")
        routes.append(route)
        activity[key] = min(float(seen), now) if isinstance(seen, int) and 0 <= seen < 2**62 else now
    return Saved(tuple(routes), activity)


def _read_route(key: str, saved: object, host_routing: bool) -> Route | None:
    if not isinstance(saved, dict) or key != canonical_key(key, host_routing):
        return None
    url, data = saved.get("target"), saved.get("data")
    if not isinstance(url, str) or not isinstance(data, dict):
        return None
    target = parse_target(url)
    return None if isinstance(target, BadTarget) else Route(key, target, data, host_routing)
