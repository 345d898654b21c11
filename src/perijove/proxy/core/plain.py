"""Plain exchanges: a GET without a body, and an answer of known length to it. Nearly all exchanges are such ones.

What the general functions say of a plain head (see ``heads`` and ``headers``) depends on its fields and little else, so
it is remembered by their bytes; of a head that comes again, so is its route. Nothing is decided here that they decide
otherwise: fields are read and written anew by them, once, and what is not plain is left to the general way.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from perijove.proxy.core.errors import HEALTH_PATH
from perijove.proxy.core.forwarding import Peer
from perijove.proxy.core.headers import render_plain_response, render_request
from perijove.proxy.core.heads import (
    MAX_REMEMBERED,
    REMEMBERED,
    Refusal,
    RequestHead,
    host_name,
    parse_request,
    parse_response,
    response_body,
)
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting
from perijove.proxy.core.routes import Route, RouteTable
from perijove.proxy.core.targets import Endpoint, Target

_HEAD_END = b"\r\n\r\n"
_ROOT = b"GET / HTTP/1.1\r\n"
_LINE = re.compile(rb"GET (/[\x21\x22\x24-\x7e]*) HTTP/1\.1\r\n")
_ANY_ROUTE = Route("/", Target("", Endpoint(False, "", 0), b"", b""))


class PlainRequest(NamedTuple):
    """A GET of a path, without a body, on a connection that stays open, and what is sent to the target of its route."""

    raw: bytes
    route: Route
    peer: Peer | None
    start: bytes
    """The head for the target up to the request's id, which is the last of its fields."""

    def head(self) -> RequestHead:
        """Return the whole head, which the short way does not need."""
        head = parse_request(self.raw, 0, len(self.raw))
        if isinstance(head, Refusal):
            raise TypeError("a plain request is never refused")
        return head


class PlainRequests:
    """Reads plain requests, and remembers those that come again while the table stays the same, a few hundred of them.

    *rewriting* is what the operator changes; heads of more than *largest* bytes are left to the general way.
    """

    __slots__ = ("_known", "_largest", "_once", "_rewriting", "_table")

    def __init__(self, rewriting: Rewriting, largest: int) -> None:
        self._rewriting = rewriting
        self._largest = min(largest, MAX_REMEMBERED)
        self._table: RouteTable | None = None
        self._known: dict[bytes, PlainRequest] = {}
        # Hashes of heads that came once: most never come again, and to keep those would only cost memory.
        self._once: set[int] = set()

    def read(self, data: bytes, table: RouteTable, peer: Peer | None) -> PlainRequest | None:
        """Return what *data* from *peer* asks for if it is a plain request, whole and alone; None for all else."""
        if table is not self._table:
            self._table = table
            self._known.clear()
        known = self._known.get(data)
        if known is not None and known.peer == peer:
            return known
        if len(data) > self._largest or data.find(_HEAD_END) + 4 != len(data):
            return None
        request = plain_request(data, table, peer, self._rewriting)
        if request is not None:
            self._note(data, request)
        return request

    def _note(self, data: bytes, request: PlainRequest) -> None:
        seen = hash(data)
        if seen in self._once:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[data] = request
            return
        if len(self._once) >= REMEMBERED:
            self._once.clear()
        self._once.add(seen)


class _PlainFields(NamedTuple):
    """What a block of fields says of a plain request: its host, and all that is sent behind the request line."""

    host: bytes
    rendered: bytes


@lru_cache(REMEMBERED)
def _plain_fields(block: bytes, peer: Peer | None) -> _PlainFields | None:
    """Read a block of fields by way of a request for the root; None if no request with them is plain.

    What is sent behind the request line is the same for each path and, as every such request has a Host, each target.
    """
    raw = _ROOT + block
    head = parse_request(raw, 0, len(raw))
    if isinstance(head, Refusal) or head.body or head.upgrade or not head.keep_alive or head.request_id:
        return None
    rendered = render_request(head, _ANY_ROUTE, peer, b"")
    return _PlainFields(head.host, rendered.removeprefix(_ROOT).removesuffix(_HEAD_END))


def plain_request(raw: bytes, table: RouteTable, peer: Peer | None, rewriting: Rewriting) -> PlainRequest | None:
    """Read the request head *raw*; None unless it is plain and has a route in *table*."""
    line = _LINE.match(raw)
    fields = _plain_fields(raw[line.end() :], peer) if line is not None else None
    if line is None or fields is None:
        return None
    target = line[1]
    path = target.partition(b"?")[0].decode("latin-1")
    route = table.find(path, host_name(fields.host) if table.host_routing else "")
    if route is None or path == HEALTH_PATH:
        return None
    if rewriting is NO_REWRITING:
        return PlainRequest(raw, route, peer, b"GET %b%b HTTP/1.1\r\n%b" % (route.target.base, target, fields.rendered))
    request = PlainRequest(raw, route, peer, b"")
    start = render_request(request.head(), route, peer, b"", rewriting).removesuffix(_HEAD_END)
    return request._replace(start=start)


class PlainAnswer(NamedTuple):
    """An answer to a plain request, from a target that leaves the connection open. ``rendered`` is for the client."""

    status: int
    body: int
    rendered: bytes


@lru_cache(REMEMBERED)
def plain_answer(raw: bytes) -> PlainAnswer | None:
    """Read the answer head *raw*; None unless it is plain: final, of known length, and the same for every route."""
    head = parse_response(raw, 0, len(raw))
    if isinstance(head, Refusal) or head.status < 200 or head.guarded or not head.keep_alive:
        return None
    body = response_body(head, b"GET")
    return PlainAnswer(head.status, body, render_plain_response(head, body)) if body >= 0 else None
