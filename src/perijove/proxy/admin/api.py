"""What the admin API answers: a request as a value in, an answer as a value out; only the route book changes.

Paths, methods, bodies and statuses are those of configurable-http-proxy. ``GET /api/info`` is ours: by its answer a hub
that finds a proxy running knows that it is one, and which process.
"""

from __future__ import annotations

import hmac
import json
from typing import NamedTuple
from urllib.parse import parse_qsl

from perijove.proxy.core.activity import from_iso
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.targets import BadTarget, parse_target
from perijove.proxy.core.text import printable

_ROUTES = "/api/routes"
# Set by the proxy itself, so what a caller says of them is not kept as data.
_OWN_KEYS = frozenset(("target", "last_activity"))


class AdminRequest(NamedTuple):
    """A request to the admin API. ``path`` is as sent, without the query."""

    method: str
    path: str
    query: str
    authorization: str
    body: bytes


class AdminAnswer(NamedTuple):
    """An answer; ``event`` is what to log, empty for nothing."""

    status: int
    content: object = None
    event: str = ""


def authorized(authorization: str, token: str) -> bool:
    """Return whether an Authorization field shows *token*; without a token everybody may."""
    if not token:
        return True
    scheme, _, shown = authorization.partition(" ")
    same = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), token.encode())
    return same and scheme.lower() in ("token", "bearer")


class AdminApi:
    """The admin API over one route book."""

    def __init__(self, book: RouteBook, token: str, info: dict[str, object]) -> None:
        self._book = book
        self._token = token
        self._info = info

    def handle(self, request: AdminRequest, now: float) -> AdminAnswer:
        """Answer one request; *now* is the time in seconds since the epoch."""
        if not authorized(request.authorization, self._token):
            return AdminAnswer(403, _message("the token is missing or wrong"))
        if request.path == "/api/info":
            if request.method in ("GET", "HEAD"):
                return AdminAnswer(200, self._info)
            return AdminAnswer(405, _message("only GET is possible here"))
        if request.path != _ROUTES and not request.path.startswith(_ROUTES + "/"):
            return AdminAnswer(404, _message("no such resource"))
        path = request.path.removeprefix(_ROUTES)
        key = self._book.key(path)
        if request.method in ("GET", "HEAD"):
            return self._list(request.query) if not path.strip("/") and path in ("", "/") else self._show(key)
        if request.method == "POST":
            return self._add(key, request.body, now)
        if request.method == "DELETE":
            return self._remove(key)
        return AdminAnswer(405, _message("only GET, POST and DELETE are possible here"))

    def _list(self, query: str) -> AdminAnswer:
        # A plus sign belongs to the time zone here, so it must not be read as a space.
        parameters = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
        since = parameters.get("inactive_since", parameters.get("inactiveSince"))
        if since is None:
            return AdminAnswer(200, self._book.listing())
        moment = from_iso(since)
        if moment is None:
            return AdminAnswer(400, _message("inactive_since must be a time in ISO 8601"))
        return AdminAnswer(200, self._book.listing(moment))

    def _show(self, key: str) -> AdminAnswer:
        route = self._book.table.get(key)
        return (
            AdminAnswer(404, _message("no such route"))
            if route is None
            else AdminAnswer(200, self._book.describe(route))
        )

    def _add(self, key: str, body: bytes, now: float) -> AdminAnswer:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return AdminAnswer(400, _message("the body must be JSON"))
        if not isinstance(data, dict) or not isinstance(data.get("target"), str):
            return AdminAnswer(400, _message("the body must be an object with a string 'target'"))
        target = parse_target(data["target"])
        if isinstance(target, BadTarget):
            return AdminAnswer(400, _message(target.reason))
        kept = {name: value for name, value in data.items() if name not in _OWN_KEYS}
        changed = self._book.put(key, target, kept, now)
        return AdminAnswer(201, None, f"route {printable(key)} added to {target.url}" if changed else "")

    def _remove(self, key: str) -> AdminAnswer:
        if not self._book.remove(key):
            return AdminAnswer(404, _message("no such route"))
        return AdminAnswer(204, None, f"route {printable(key)} removed")


def _message(text: str) -> dict[str, str]:
    return {"message": text}
