"""What supervisor and worker tell each other, as values.

Down: ``settings`` (before anything else), then on the worker's ``hello`` the ``table``, then each ``change``;
``reload`` and ``stop``. Up: ``hello`` (all is prepared), ``have`` (a table or change is in use), ``listening``,
``report`` (activity and counters), ``failed`` (why it cannot start).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.changes import Change
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.settings import ProxySettings


def settings_message(settings: ProxySettings) -> dict[str, Any]:
    """Tell a worker its settings: without what is the supervisor's alone, with its share of the connections."""
    share = replace(
        settings,
        auth_token="",
        state_file="",
        pid_file="",
        max_connections=-(-settings.max_connections // settings.workers),
    )
    return {"kind": "settings", "settings": asdict(share)}


def read_settings(message: Mapping[str, Any]) -> ProxySettings:
    """Return the settings in a message."""
    given = dict(message["settings"])
    given["custom_headers"] = tuple((name, value) for name, value in given["custom_headers"])
    return ProxySettings(**given)


def table_message(book: RouteBook) -> dict[str, Any]:
    """Tell a worker the whole table."""
    return {"kind": "table", "number": book.changes.last, "routes": [_row(route) for route in book.table]}


def change_message(change: Change) -> dict[str, Any]:
    """Tell a worker a change."""
    return {
        "kind": "change",
        "number": change.number,
        "routes": [_row(route) for route in change.put],
        "drop": change.dropped,
    }


NEVER = 0.0
"""A worker must not report a route as in use only because it was told of it: not when it is started again, either."""


def apply(book: RouteBook, message: Mapping[str, Any]) -> None:
    """Do to a worker's book what a table or a change says."""
    routes = _routes(book, message["routes"])
    if message["kind"] == "table":
        book.replace(routes, NEVER)
    else:
        book.change(routes, message["drop"], NEVER)


def _row(route: Route) -> tuple[str, str, Mapping[str, object]]:
    return route.key, route.target.url, route.data


def _routes(book: RouteBook, rows: Iterable[tuple[str, str, dict[str, object]]]) -> Iterable[Route]:
    for key, url, data in rows:
        target = parse_target(url)
        # The supervisor has read the same text before.
        if isinstance(target, Target):
            yield book.route(key, target, data)
