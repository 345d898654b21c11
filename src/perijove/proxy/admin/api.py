"""What the admin API answers: a request as a value in, an answer as a value out; only the route book changes.

Paths, methods, bodies and statuses are those of configurable-http-proxy; its errors are text, or have no body. These
are ours, and their errors are JSON with a ``message``:

``GET /api/info``
    By its answer a hub that finds a proxy running knows that it is one, which process, and what it can do.
``PUT /api/routes``
    ``{routespec: {"target": …, …}}`` becomes the whole table in one step; routes that lead where they led keep their
    ``last_activity``. Answers ``{"epoch", "id", "put", "deleted"}``: the number of the change and how many routes it
    put and deleted. With ``?epoch=…&since=…`` it is refused with 409 if anything changed since.
``PATCH /api/routes``
    The same for some routes: those named are added or replaced, those that are ``null`` deleted, all others stay.
``GET /api/changes?epoch=…&since=…&wait=…``
    ``{"epoch", "id", "changes": [{"id", "put": {…}, "deleted": […]}]}`` since that id; if there is none, the answer
    waits for one, at most so many seconds. Where the changes since then are not known, because the id is missing, too
    old or from another life of the proxy, ``{"epoch", "id", "reset": true, "routes": {…}}`` is the whole table.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from perijove.proxy.admin.tables import BadTable, change_as_json, has_target, read_route, read_routes
from perijove.proxy.core.activity import from_iso
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.metrics import Metrics
from perijove.proxy.core.text import MAX_SHOWN, printable

FEATURES: Final = ("bulk-routes", "changes")
"""What ``GET /api/info`` says that this API can do beyond that of configurable-http-proxy."""
MAX_BODY: Final = 1024 * 1024
MAX_TABLE: Final = 32 * 1024 * 1024
"""The largest body with many routes, in bytes: a hundred thousand of them fit."""
MAX_WAIT: Final = 60.0
SETTLE_SECONDS: Final = 5.0
"""How long the answer to a change waits for all workers to have it."""
_ROUTES = "/api/routes"
_OWN = frozenset(("/api/info", "/api/changes"))
_WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))


class AdminRequest(NamedTuple):
    """A request to the admin API. ``path`` is as sent, without the query."""

    method: str
    path: str
    query: str
    authorization: str
    body: bytes


class AdminAnswer(NamedTuple):
    """An answer: ``content`` is sent as JSON, text as it is; ``event`` is what to log, empty for nothing."""

    status: int
    content: object = None
    event: str = ""


class AdminWait(NamedTuple):
    """An answer that is not due yet: when *ready* says so, or after *seconds*, it is what *answer* returns."""

    ready: Callable[[], bool]
    answer: Callable[[], AdminAnswer]
    seconds: float


def authorized(authorization: str, token: str) -> bool:
    """Return whether an Authorization field shows *token*; without a token everybody may."""
    if not token:
        return True
    scheme, _, shown = authorization.partition(" ")
    same = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), token.encode())
    return same and scheme.lower() in ("token", "bearer")


class AdminApi:
    """The admin API over one route book.

    Attributes:
        settled: says whether all who serve requests have the change of that number.
        waiting: called whenever an answer that waits may have become due.
        metrics: what counts the answers, if anything does.
        info: what ``GET /api/info`` answers.
    """

    def __init__(self, book: RouteBook, token: str, info: dict[str, object]) -> None:
        self._book = book
        self._token = token
        self.info = info
        self.settled: Callable[[int], bool] = lambda _: True
        self.waiting: set[Callable[[], None]] = set()
        self.metrics: Metrics | None = None
        book.watchers.add(lambda _: self.look())

    def look(self) -> None:
        """Let all that wait see whether their answer is due."""
        for waiting in tuple(self.waiting):
            waiting()

    def body_limit(self, method: str, path: str, authorization: str) -> int:
        """Return how large a request's body may be: only who shows the token may send a whole table."""
        bulk = path == _ROUTES and method in ("PUT", "PATCH") and authorized(authorization, self._token)
        return MAX_TABLE if bulk else MAX_BODY

    def handle(self, request: AdminRequest, now: float) -> AdminAnswer | AdminWait:
        """Answer one request; *now* is the time in seconds since the epoch."""
        routes = request.path == _ROUTES or request.path.startswith(_ROUTES + "/")
        bulk = request.path == _ROUTES and request.method in ("PUT", "PATCH")
        if not routes and request.path not in _OWN:
            return AdminAnswer(404, "Not Found")
        if routes and not bulk and request.method not in ("GET", "HEAD", "POST", "DELETE"):
            return AdminAnswer(405, "Method not supported")
        if not authorized(request.authorization, self._token):
            return AdminAnswer(403, None if routes else _message("the token is missing or wrong"))
        if not routes:
            return self._own(request)
        answer = self._change_many(request, now) if bulk else self._answer(request, now)
        number = self._book.changes.last
        if request.method in _WRITES and not self.settled(number):
            return AdminWait(lambda: self.settled(number), lambda: answer, SETTLE_SECONDS)
        return answer

    def _own(self, request: AdminRequest) -> AdminAnswer | AdminWait:
        if request.method not in ("GET", "HEAD"):
            return AdminAnswer(405, _message("only GET is possible here"))
        return self._feed(request.query) if request.path == "/api/changes" else AdminAnswer(200, self.info)

    def _answer(self, request: AdminRequest, now: float) -> AdminAnswer:
        path = request.path.removeprefix(_ROUTES)
        key = self._book.key(path)
        if request.method == "POST":
            return self._add(key, request.body, now)
        if request.method == "DELETE":
            return self._remove(key)
        return self._list(request.query) if path in ("", "/") else self._show(key)

    def _list(self, query: str) -> AdminAnswer:
        # A plus sign belongs to the time zone here, so it must not be read as a space.
        parameters = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
        since = parameters.get("inactiveSince") or parameters.get("inactive_since")
        if not since:
            return AdminAnswer(200, self._book.listing())
        moment = from_iso(since)
        if moment is None:
            return AdminAnswer(400, f"Invalid datestamp '{since[:MAX_SHOWN]}' must be ISO8601.")
        return AdminAnswer(200, self._book.listing(moment))

    def _show(self, key: str) -> AdminAnswer:
        route = self._book.table.get(key)
        return AdminAnswer(404) if route is None else AdminAnswer(200, self._book.describe(route))

    def _add(self, key: str, body: bytes, now: float) -> AdminAnswer:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            return AdminAnswer(400, f"Body not valid JSON: {error}")
        if not has_target(data):
            return AdminAnswer(400, "Must specify 'target' as string")
        route = read_route(self._book, key, data)
        if isinstance(route, BadTable):
            return AdminAnswer(400, route.reason)
        changed = self._book.put(key, route.target, route.data, now)
        return AdminAnswer(201, None, f"route {printable(key)} added to {route.target.url}" if changed else "")

    def _remove(self, key: str) -> AdminAnswer:
        if not self._book.remove(key):
            return AdminAnswer(404)
        return AdminAnswer(204, None, f"route {printable(key)} removed")

    def _change_many(self, request: AdminRequest, now: float) -> AdminAnswer:
        book, whole = self._book, request.method == "PUT"
        expected = dict(parse_qsl(request.query))
        if expected:
            number = _number(expected.get("since", ""))
            if number is None:
                return AdminAnswer(400, _message("epoch and since must be those of an earlier answer"))
            if (expected.get("epoch"), number) != (book.changes.epoch, book.changes.last):
                return AdminAnswer(409, self._moment() | _message("the table has changed meanwhile"))
        asked = read_routes(book, request.body, may_drop=not whole)
        if isinstance(asked, BadTable):
            return AdminAnswer(400, _message(asked.reason))
        change = book.replace(asked.put, now) if whole else book.change(asked.put, asked.drop, now)
        put, dropped = (len(change.put), len(change.dropped)) if change is not None else (0, 0)
        content = self._moment() | {"put": put, "deleted": dropped}
        what = "table replaced" if whole else "table changed"
        return AdminAnswer(200, content, f"{what}: {put} routes added or changed, {dropped} removed" if change else "")

    def _feed(self, query: str) -> AdminAnswer | AdminWait:
        asked = dict(parse_qsl(query))
        number = _number(asked.get("since", "0"))
        try:
            seconds = float(asked.get("wait", "0"))
        except ValueError:
            seconds = -1.0
        if number is None or not 0 <= seconds < float("inf"):
            return AdminAnswer(400, _message("since must be a whole number, wait a number of seconds"))
        epoch = asked.get("epoch", "") if "since" in asked else ""
        answer = self._changes(epoch, number)
        if not seconds or self._book.changes.since(epoch, number) != []:
            return answer
        return AdminWait(
            lambda: self._book.changes.last != number, lambda: self._changes(epoch, number), min(seconds, MAX_WAIT)
        )

    def _changes(self, epoch: str, number: int) -> AdminAnswer:
        changes = self._book.changes.since(epoch, number)
        if changes is None:
            return AdminAnswer(200, self._moment() | {"reset": True, "routes": self._book.listing()})
        return AdminAnswer(200, self._moment() | {"changes": [change_as_json(change) for change in changes]})

    def _moment(self) -> dict[str, object]:
        return {"epoch": self._book.changes.epoch, "id": self._book.changes.last}


def _message(text: str) -> dict[str, object]:
    return {"message": text}


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
