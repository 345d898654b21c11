"""Many routes in one body, and changes of the table as JSON.

Names in a body are routespecs, escaped as in the path of the API; one taken from ``GET /api/routes`` will do, too.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.changes import Change
from perijove.proxy.core.routes import Route, display_name
from perijove.proxy.core.targets import BadTarget, parse_target
from perijove.proxy.core.text import printable

# Set by the proxy itself, so what a caller says of them is not kept as data.
OWN_KEYS = frozenset(("target", "last_activity"))
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class Asked(NamedTuple):
    """What a body asks for."""

    put: tuple[Route, ...]
    drop: tuple[str, ...]


class BadTable(NamedTuple):
    """Why a body is refused, in words for the caller."""

    reason: str


def has_target(data: object) -> bool:
    """Return whether *data* is an object that says where a route leads."""
    return isinstance(data, dict) and isinstance(data.get("target"), str)


def read_route(book: RouteBook, key: str, data: object) -> Route | BadTable:
    """Read what a body says of the route *key*."""
    if not isinstance(data, dict) or not has_target(data):
        return BadTable("the body must be an object with a string 'target'")
    old = book.table.get(key)
    # Most routes of a table that is sent again lead where they led.
    target = old.target if old is not None and old.target.url == data["target"] else parse_target(data["target"])
    if isinstance(target, BadTarget):
        return BadTable(target.reason)
    return book.route(key, target, {name: value for name, value in data.items() if name not in OWN_KEYS})


def read_routes(book: RouteBook, body: bytes, *, may_drop: bool) -> Asked | BadTable:
    """Read ``{routespec: {"target": …, …}}``; where *may_drop*, ``null`` in place of a route asks to remove it."""
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        return BadTable("the body must be JSON")
    if not isinstance(table, dict):
        return BadTable("the body must be an object with a route by each routespec")
    put: dict[str, Route] = {}
    drop: set[str] = set()
    for name, data in table.items():
        key = key_of(book, name)
        if key in put or key in drop:
            return BadTable(f"{printable(name)} is there twice")
        if data is None and may_drop:
            drop.add(key)
            continue
        route = read_route(book, key, data)
        if isinstance(route, BadTable):
            return BadTable(f"{printable(name)}: {route.reason}")
        put[key] = route
    return Asked(tuple(put.values()), tuple(drop))


def key_of(book: RouteBook, name: str) -> str:
    """Return the key of a routespec that stands in a body, where what is not ASCII need not be escaped."""
    return book.key(_STRAY_PERCENT.sub("%25", name).encode("utf-8", "replace").decode("latin-1"))


def change_as_json(change: Change) -> dict[str, object]:
    """Return a change as the feed tells it."""
    return {
        "id": change.number,
        "put": {display_name(route.key): {**route.data, "target": route.target.url} for route in change.put},
        "deleted": [display_name(key) for key in change.dropped],
    }
