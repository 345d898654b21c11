"""Writing heads anew: what a target is told of the client, and what a client is told of the answer."""

from __future__ import annotations

from functools import lru_cache

from perijove.proxy.core.forwarding import Peer, forwarded_lines
from perijove.proxy.core.guard import passes_guard
from perijove.proxy.core.heads import CHUNKED, Fields, RequestHead, ResponseHead, render_fields
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting, location, target_path
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target


def _with_custom(fields: Fields, rewriting: Rewriting) -> Fields:
    names = rewriting.field_names
    return [field for field in fields if field[0].lower() not in names] + list(rewriting.fields)


@lru_cache(1024)
def _told_of_stranger(host: bytes, peer: Peer) -> bytes:
    """The forwarding fields of a client that said nothing of others, which are nearly all."""
    return b"\r\n".join([*forwarded_lines({}, host, peer), b""])


def _told(head: RequestHead, peer: Peer | None) -> bytes:
    if peer is None:
        return b"".join([b"%b: %b\r\n" % (name.title(), value) for name, value in head.forwarded.items()])
    if not head.forwarded and len(head.host) < 256:
        return _told_of_stranger(head.host, peer)
    return b"\r\n".join([*forwarded_lines(head.forwarded, head.host, peer), b""])


def render_request(
    head: RequestHead, route: Route, peer: Peer | None, request_id: bytes, rewriting: Rewriting = NO_REWRITING
) -> bytes:
    """Return the head to send to the target of *route*; its last field is the request's id.

    Without a *peer* what came as X-Forwarded-* is passed on unchanged.
    """
    target, fields, host = route.target, head.rendered, b"Host: %b\r\n" % (head.host or route.target.authority)
    path = target.base + head.target if head.target != b"*" else b"*"
    if rewriting is not NO_REWRITING:
        path = target_path(head.target, target, route.prefix, rewriting)
        fields = render_fields(_with_custom(head.fields, rewriting))
        if rewriting.change_origin:
            host = b"Host: %b\r\n" % target.authority
        if b"host" in rewriting.field_names:
            host = b""
    body = b""
    if head.body == CHUNKED:
        body = b"Transfer-Encoding: chunked\r\n" + _trailer(head)
    elif head.body or head.method in (b"POST", b"PUT", b"PATCH"):
        body = b"Content-Length: %d\r\n" % head.body
    connection = b""
    if head.upgrade:
        connection = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade
    elif head.takes_trailers:
        connection = b"Connection: TE\r\nTE: trailers\r\n"
    parts = (head.method, path, host, fields, _told(head, peer), body, connection, request_id)
    return b"%b %b HTTP/1.1\r\n%b%b%b%b%bX-Request-ID: %b\r\n\r\n" % parts


def _trailer(head: RequestHead | ResponseHead) -> bytes:
    return b"Trailer: %b\r\n" % head.trailer if head.trailer else b""


def relocated(head: ResponseHead, target: Target, host: bytes, rewriting: Rewriting) -> ResponseHead:
    """Return an answer's head with its Location as *rewriting* has it; *host* is the one the client asked for."""
    if not (rewriting.auto_rewrite or rewriting.protocol_rewrite):
        return head
    fields = [
        (name, location(value, head.status, target, host, rewriting) if name.lower() == b"location" else value)
        for name, value in head.fields
    ]
    return head._replace(fields=fields, rendered=render_fields(fields))


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b" % (head.status, head.reason)


def render_response(
    head: ResponseHead, body: int, route: Route, request_path: str, *, http11: bool, close: bool
) -> bytes:
    """Return the head of a final answer. *body* is what follows as ``response_body`` says; *close*: so will we."""
    return _response(head, _guarded(head, route, request_path), body, http11=http11, close=close)


def render_plain_response(head: ResponseHead, body: int) -> bytes:
    """Return the same for an answer whose fields may come from any route, and for a connection that stays open."""
    return _response(head, head.rendered, body, http11=True, close=False)


def _response(head: ResponseHead, fields: bytes, body: int, *, http11: bool, close: bool) -> bytes:
    framing = b""
    if body == CHUNKED:
        if http11:
            framing = b"Transfer-Encoding: chunked\r\n" + _trailer(head)
    elif head.length is not None and head.status != 204:
        framing = b"Content-Length: %d\r\n" % head.length
    if close:
        framing += b"Connection: close\r\n"
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (head.status, head.reason, fields, framing)


def render_interim(head: ResponseHead, route: Route, request_path: str) -> bytes:
    """Return the head of a 1xx answer other than 101."""
    return b"%b\r\n%b\r\n" % (_status_line(head), _guarded(head, route, request_path))


def render_switch(head: ResponseHead, route: Route, request_path: str) -> bytes:
    """Return the head of the 101 answer that opens a tunnel."""
    parts = (_status_line(head), _guarded(head, route, request_path), head.upgrade)
    return b"%b\r\n%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % parts


def _guarded(head: ResponseHead, route: Route, request_path: str) -> bytes:
    if route.is_hub or not head.guarded:
        return head.rendered
    return render_fields([field for field in head.fields if passes_guard(*field, route, request_path)])
