"""Plain exchanges: a GET without a body, and an answer of known length to it. Nearly all exchanges are such ones.

What the general functions say of a plain head (see ``heads``, ``routes`` and ``headers``) depends on its bytes and on
little else, so it is remembered by those bytes as a whole. Nothing is decided here that they decide otherwise: a head
is read, routed and written anew by them, once, and what is not plain is left to the general way.
"""

from __future__ import annotations

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
from perijove.proxy.core.rewriting import Rewriting
from perijove.proxy.core.routes import Route, RouteTable

_HEAD_END = b"\r\n\r\n"


class PlainRequest(NamedTuple):
    """A GET without a body on a connection that stays open, and what is sent to the target of its route."""

    head: RequestHead
    route: Route
    peer: Peer | None
    start: bytes
    """The head for the target up to the request's id, which is the last of its fields."""


class PlainRequests:
    """Reads plain requests, and remembers the last few hundred different ones while the table stays the same.

    *rewriting* is what the operator changes; heads of more than *largest* bytes are left to the general way.
    """

    __slots__ = ("_largest", "_old", "_rewriting", "_table", "_young")

    def __init__(self, rewriting: Rewriting, largest: int) -> None:
        self._rewriting = rewriting
        self._largest = min(largest, MAX_REMEMBERED)
        self._table: RouteTable | None = None
        # When the young ones are too many they are the old ones from then on; what comes again is young again.
        self._young: dict[bytes, PlainRequest] = {}
        self._old: dict[bytes, PlainRequest] = {}

    def read(self, data: bytes, table: RouteTable, peer: Peer | None) -> PlainRequest | None:
        """Return what *data* from *peer* asks for if it is a plain request, whole and alone; None for all else."""
        if table is self._table:
            known = self._young.get(data)
            if known is not None and known.peer == peer:
                return known
        else:
            self._table = table
            self._young, self._old = {}, {}
        if not data.startswith(b"GET ") or data.find(_HEAD_END) + 4 != len(data) or len(data) > self._largest:
            return None
        known = self._old.get(data)
        if known is None or known.peer != peer:
            known = plain_request(data, table, peer, self._rewriting)
        # An id that the client chose makes a head that does not come again.
        if known is not None and not known.head.request_id:
            self._keep(data, known)
        return known

    def _keep(self, data: bytes, request: PlainRequest) -> None:
        if len(self._young) >= REMEMBERED:
            self._young, self._old = {}, self._young
        self._young[data] = request


def plain_request(raw: bytes, table: RouteTable, peer: Peer | None, rewriting: Rewriting) -> PlainRequest | None:
    """Read the request head *raw*; None unless it is plain and has a route in *table*."""
    head = parse_request(raw, 0, len(raw))
    if isinstance(head, Refusal) or head.method != b"GET" or head.body or head.upgrade or not head.keep_alive:
        return None
    if head.path == HEALTH_PATH:
        return None
    route = table.find(head.path, host_name(head.host) if table.host_routing else "")
    if route is None:
        return None
    start = render_request(head, route, peer, b"", rewriting).removesuffix(_HEAD_END)
    return PlainRequest(head, route, peer, start)


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
