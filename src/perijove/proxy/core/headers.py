"""Writing heads anew: what a target is told of the client, and what a client is told of the answer."""

from __future__ import annotations

from perijove.proxy.core.forwarding import Peer, forwarded_lines
from perijove.proxy.core.guard import passes_guard
from perijove.proxy.core.heads import CHUNKED, Fields, RequestHead, ResponseHead
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting, location, target_path
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target


def _with_custom(fields: Fields, rewriting: Rewriting) -> Fields:
    names = rewriting.field_names
    return [field for field in fields if field[0].lower() not in names] + list(rewriting.fields)


def render_request(
    head: RequestHead, route: Route, peer: Peer | None, request_id: bytes, rewriting: Rewriting = NO_REWRITING
) -> bytes:
    """Return the head to send to the target of *route*.

    Without a *peer* what came as X-Forwarded-* is passed on unchanged.
    """
    target, fields, host = route.target, head.fields, head.host or route.target.authority
    path = target.base + head.target if head.target != b"*" else b"*"
    if rewriting is not NO_REWRITING:
        path = target_path(head.target, target, route.prefix, rewriting)
        fields = _with_custom(fields, rewriting)
        if rewriting.change_origin:
            host = target.authority
    lines = [head.method + b" " + path + b" HTTP/1.1"]
    if b"host" not in rewriting.field_names:
        lines.append(b"Host: " + host)
    lines += [name + b": " + value for name, value in fields]
    if peer is not None:
        lines += forwarded_lines(head.forwarded, head.host, peer)
    elif head.forwarded:
        lines += [name.title() + b": " + value for name, value in head.forwarded.items()]
    lines.append(b"X-Request-ID: " + request_id)
    if head.body == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked")
    elif head.body or head.method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"Content-Length: %d" % head.body)
    if head.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: " + head.upgrade)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def relocated(head: ResponseHead, target: Target, host: bytes, rewriting: Rewriting) -> ResponseHead:
    """Return an answer's head with its Location as *rewriting* has it; *host* is the one the client asked for."""
    if not (rewriting.auto_rewrite or rewriting.protocol_rewrite):
        return head
    fields = [
        (name, location(value, head.status, target, host, rewriting) if name.lower() == b"location" else value)
        for name, value in head.fields
    ]
    return head._replace(fields=fields)


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b" % (head.status, head.reason)


def render_response(
    head: ResponseHead, body: int, route: Route, request_path: str, *, http11: bool, close: bool
) -> bytes:
    """Return the head of a final answer. *body* is what follows as ``response_body`` says; *close*: so will we."""
    lines = [_status_line(head)]
    lines += _guarded(head.fields, route, request_path)
    if body == CHUNKED:
        if http11:
            lines.append(b"Transfer-Encoding: chunked")
    elif head.length is not None and head.status != 204:
        lines.append(b"Content-Length: %d" % head.length)
    if close:
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def render_interim(head: ResponseHead, route: Route, request_path: str) -> bytes:
    """Return the head of a 1xx answer other than 101."""
    return b"\r\n".join([_status_line(head), *_guarded(head.fields, route, request_path), b"\r\n"])


def render_switch(head: ResponseHead, route: Route, request_path: str) -> bytes:
    """Return the head of the 101 answer that opens a tunnel."""
    lines = [_status_line(head), *_guarded(head.fields, route, request_path)]
    lines += [b"Connection: Upgrade", b"Upgrade: " + head.upgrade, b"\r\n"]
    return b"\r\n".join(lines)


def _guarded(fields: Fields, route: Route, request_path: str) -> list[bytes]:
    if route.is_hub:
        return [name + b": " + value for name, value in fields]
    return [name + b": " + value for name, value in fields if passes_guard(name, value, route, request_path)]
