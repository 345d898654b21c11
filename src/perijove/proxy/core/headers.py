"""Writing heads anew: what a target is told of the client, and what a client is told of the answer."""

from __future__ import annotations

from typing import NamedTuple

from perijove.proxy.core.guard import passes_guard
from perijove.proxy.core.heads import CHUNKED, Fields, RequestHead, ResponseHead
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target


class Peer(NamedTuple):
    """What X-Forwarded-* say of a client connection. ``address`` is empty for a client on a socket file."""

    address: bytes
    proto: bytes


def _appended(head: RequestHead, name: bytes, value: bytes) -> bytes:
    came = head.forwarded.get(name, b"")
    return came + b"," + value if came and value else came or value


def _default_port(head: RequestHead, peer: Peer) -> bytes:
    name, colon, port = head.host.rpartition(b":")
    if colon and port.isdigit() and name:
        return port
    return b"443" if peer.proto == b"https" else b"80"


def _forwarded(head: RequestHead, peer: Peer) -> list[bytes]:
    """Append this hop to X-Forwarded-*; the first host named stays (as configurable-http-proxy does)."""
    lines = [
        b"X-Forwarded-Port: " + _appended(head, b"x-forwarded-port", _default_port(head, peer)),
        b"X-Forwarded-Proto: " + _appended(head, b"x-forwarded-proto", peer.proto),
    ]
    address = _appended(head, b"x-forwarded-for", peer.address)
    if address:
        lines.append(b"X-Forwarded-For: " + address)
    host = head.forwarded.get(b"x-forwarded-host") or head.host
    if host:
        lines.append(b"X-Forwarded-Host: " + host)
    return lines


def render_request(head: RequestHead, target: Target, peer: Peer | None, request_id: bytes) -> bytes:
    """Return the head to send to *target*. Without a *peer* what came as X-Forwarded-* is passed on unchanged."""
    lines = [
        head.method + b" " + (target.base + head.target if head.target != b"*" else b"*") + b" HTTP/1.1",
        b"Host: " + (head.host or target.authority),
    ]
    lines += [name + b": " + value for name, value in head.fields]
    if peer is not None:
        lines += _forwarded(head, peer)
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
