"""Strict reading of HTTP/1 heads (RFC 9112).

A proxy and the server behind it must never disagree on where a message ends. So what could be read two ways is refused
here: bare line feeds, folded lines, white space before a colon, control characters, several or malformed lengths, a
length together with a transfer coding, codings other than ``chunked``, and several or missing Host fields.

Each head is checked by regular expressions and its fields are sorted in one pass: those that end at this hop are
consumed, those the proxy writes anew are set aside, all others are passed on as they came.

A browser sends the same fields with request after request, and a server answers many with the same ones, so what a
block of fields says is remembered for the last few hundred different blocks. What is remembered was read as strictly.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from perijove.proxy.core.fields import FORWARDED, HOP_BY_HOP, announced
from perijove.proxy.core.guard import GUARDED

MAX_HEAD = 64 * 1024
MAX_REQUEST_LINE = 16 * 1024

# Values of ``body`` below zero; others are a number of bytes.
CHUNKED = -1
UNTIL_CLOSE = -2

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,32}) ([\x21\x22\x24-\x7e]+) HTTP/1\.([01])\r\n")
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb"+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_FIELD = re.compile(rb"([^:\r\n]+):([^\r\n]*)\r\n")
_OTHER_VERSION = re.compile(rb"[^\r\n]* HTTP/(?!1\.[01]\r)[0-9.]+\r\n")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~\-]+)(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"[hH][tT][tT][pP][sS]?://([^/?]*)(.*)", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_REQUEST_ID = re.compile(rb"[0-9A-Za-z._:+/=\-]{1,128}")

# An upgrade to HTTP/2 or TLS would carry requests past the checks of this proxy, so it is not passed on.
_REFUSED_UPGRADES = frozenset((b"h2c", b"h2", b"http/2.0", b"tls/1.0", b"tls/1.2", b"tls/1.3"))

_SPECIAL = HOP_BY_HOP | {b"content-length"}
_SPECIAL_REQUEST = _SPECIAL | FORWARDED | {b"host", b"x-request-id", b"accept"}

# Blocks of fields remembered, and the largest one: together a few megabytes at most.
REMEMBERED = 256
MAX_REMEMBERED = 4096

_USUAL_CONNECTION = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b""))
_NOTHING: frozenset[bytes] = frozenset()

Fields = list[tuple[bytes, bytes]]


class Refusal(NamedTuple):
    """Why a head is refused: the status to answer with and a reason for people."""

    status: int
    reason: str


class RequestHead(NamedTuple):
    """A request head. ``fields`` are those to pass on that no other member holds."""

    method: bytes
    target: bytes
    """In origin form, or ``*``."""
    path: str
    """The target without its query."""
    http11: bool
    host: bytes
    """As the client sent it; empty only from an HTTP/1.0 client."""
    fields: Fields
    body: int
    keep_alive: bool
    upgrade: bytes
    """The protocol to change to, empty for none."""
    forwarded: dict[bytes, bytes]
    """The fields X-Forwarded-* and Forwarded that came, by lower-case name."""
    request_id: bytes
    """What came as X-Request-ID, if it is well formed."""
    accept: bytes
    rendered: bytes
    """``fields`` as they are written."""
    named: frozenset[bytes]
    """The lower-case names that Connection declares to end at this hop."""
    trailer: bytes
    """What may be announced of the fields behind a chunked body."""
    takes_trailers: bool
    """Whether the client says that it understands fields behind a body."""


class ResponseHead(NamedTuple):
    """A response head. ``length`` is the stated Content-Length, None for none, also where no body follows.

    ``rendered`` is ``fields`` as they are written; ``guarded`` says whether one of them is in GUARDED. ``named`` and
    ``trailer`` are as in a request.
    """

    status: int
    reason: bytes
    fields: Fields
    chunked: bool
    length: int | None
    keep_alive: bool
    upgrade: bytes
    rendered: bytes
    guarded: bool
    named: frozenset[bytes]
    trailer: bytes


def render_fields(fields: Fields) -> bytes:
    """Return *fields* as they are written in a head."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def has_bare_line_feed(data: bytes, start: int = 0) -> bool:
    """Return whether a line of *data* from *start* on ends without a carriage return, so no head can come of it."""
    return _BARE_LINE_FEED.search(data, start) is not None


class _Special:
    """The fields of one head that the proxy looks into, by lower-case name, each with all its values."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[bytes, list[bytes]] = {}

    def joined(self, name: bytes) -> bytes:
        values = self.found.get(name)
        return b", ".join(values) if values else b""

    def tokens(self, name: bytes) -> list[bytes]:
        return [token.strip(b" \t").lower() for value in self.found.get(name, ()) for token in value.split(b",")]


def _sort_fields(block: bytes, special_names: frozenset[bytes]) -> tuple[Fields, _Special]:
    kept: Fields = []
    special = _Special()
    found = special.found
    for name, value in _FIELD.findall(block):
        lower = name.lower()
        if lower in special_names:
            found.setdefault(lower, []).append(value.strip(b" \t"))
        else:
            kept.append((name, value.strip(b" \t")))
    return kept, special


def _without(kept: Fields, named: frozenset[bytes]) -> Fields:
    return [field for field in kept if field[0].lower() not in named] if named else kept


def _framing(special: _Special) -> tuple[bool, int | None] | str:
    """Return (chunked, stated length), or the reason why the end of the message is not beyond doubt (RFC 9112 6.3)."""
    lengths = special.found.get(b"content-length")
    codings = special.found.get(b"transfer-encoding")
    if codings:
        if lengths:
            return "both Content-Length and Transfer-Encoding"
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            return "a transfer coding other than chunked"
        return True, None
    if not lengths:
        return False, None
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        return "a Content-Length that is not one number"
    return False, int(lengths[0])


def _with_authority(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes] | None:
    """Return (target, host) of a target that is no path: ``*``, or an absolute form, which becomes a path.

    None for any other, and for an authority that is not that of Host (RFC 9112 3.2.2).
    """
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not absolute[1] or (host and host.lower() != absolute[1].lower()):
        return None
    rest = absolute[2]
    return (rest if rest.startswith(b"/") else b"/" + rest), absolute[1]


class _RequestFields(NamedTuple):
    """What a block of request fields says, whatever the request line."""

    fields: Fields
    host: bytes | None
    host_valid: bool
    chunked: bool
    length: int
    closes: bool
    upgrade: bytes
    forwarded: dict[bytes, bytes]
    request_id: bytes
    accept: bytes
    rendered: bytes
    named: frozenset[bytes]
    trailer: bytes
    takes_trailers: bool


def _read_request_fields(block: bytes) -> _RequestFields | Refusal:
    if _FIELDS.fullmatch(block) is None:
        return Refusal(400, "the request head is malformed")
    kept, special = _sort_fields(block, _SPECIAL_REQUEST)
    found = special.found
    hosts = found.get(b"host", [])
    if len(hosts) > 1:
        return Refusal(400, "the request must have one Host")
    framing = _framing(special)
    if isinstance(framing, str):
        return Refusal(400, framing)
    chunked, length = framing
    closes, upgrade, named = False, b"", _NOTHING
    if b"connection" in found:
        connection = special.tokens(b"connection")
        named = frozenset(connection) - _USUAL_CONNECTION
        kept = _without(kept, named)
        closes = b"close" in connection
        if b"upgrade" in connection and not chunked and not length:
            upgrade = _single_upgrade(found.get(b"upgrade", []))
    if b"accept" in found:
        kept.append((b"Accept", special.joined(b"accept")))
    request_id = found.get(b"x-request-id", [b""])[0]
    return _RequestFields(
        fields=kept,
        host=hosts[0] if hosts else None,
        host_valid=not hosts or _HOST.fullmatch(hosts[0]) is not None,
        chunked=chunked,
        length=length or 0,
        closes=closes,
        upgrade=upgrade,
        forwarded={name: special.joined(name) for name in FORWARDED if name in found},
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else b"",
        accept=special.joined(b"accept"),
        rendered=render_fields(kept),
        named=named,
        trailer=announced(special.tokens(b"trailer"), named) if chunked else b"",
        takes_trailers=b"trailers" in special.tokens(b"te"),
    )


_remembered_request_fields = lru_cache(REMEMBERED)(_read_request_fields)


def parse_request(data: bytes, start: int, end: int) -> RequestHead | Refusal:
    """Read the request head in ``data[start:end]``, whose end is just behind its empty line.

    Members that are collections may be shared with other heads and must not be changed.
    """
    line = _REQUEST_LINE.match(data, start, end)
    if line is None:
        if _OTHER_VERSION.match(data, start, end):
            return Refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        return Refusal(400, "the request head is malformed")
    method, target, minor = line.groups()
    if len(target) > MAX_REQUEST_LINE:
        return Refusal(414, "the request line is too long")
    block = data[line.end() : end]
    said = _remembered_request_fields(block) if len(block) <= MAX_REMEMBERED else _read_request_fields(block)
    if isinstance(said, Refusal):
        return said
    http11, host, host_valid = minor == b"1", said.host or b"", said.host_valid
    if http11 and said.host is None:
        return Refusal(400, "the request must have one Host")
    if target[0] != 0x2F:
        located = _with_authority(method, target, host)
        if located is None:
            return Refusal(400, "the request target is malformed")
        target, host = located
        host_valid = _HOST.fullmatch(host) is not None
    if not host_valid and (host or http11):
        return Refusal(400, "the Host is malformed")
    if said.chunked and not http11:
        return Refusal(400, "a transfer coding in HTTP/1.0")
    return RequestHead(
        method,
        target,
        target.partition(b"?")[0].decode("latin-1"),
        http11,
        host,
        said.fields,
        CHUNKED if said.chunked else said.length,
        http11 and not said.closes,
        said.upgrade if http11 else b"",
        said.forwarded,
        said.request_id,
        said.accept,
        said.rendered,
        said.named,
        said.trailer,
        http11 and said.takes_trailers,
    )


def _single_upgrade(values: list[bytes]) -> bytes:
    if len(values) != 1 or b"," in values[0] or values[0].lower() in _REFUSED_UPGRADES:
        return b""
    return values[0]


def _read_response_fields(block: bytes) -> ResponseHead | Refusal:
    """Read a block of fields into the head of a persistent answer 200."""
    if _FIELDS.fullmatch(block) is None:
        return Refusal(502, "the head of the answer is malformed")
    kept, special = _sort_fields(block, _SPECIAL)
    framing = _framing(special)
    if isinstance(framing, str):
        return Refusal(502, framing)
    chunked, length = framing
    keep_alive, upgrade, named = True, b"", _NOTHING
    if b"connection" in special.found:
        connection = special.tokens(b"connection")
        named = frozenset(connection) - _USUAL_CONNECTION
        kept = _without(kept, named)
        keep_alive = b"close" not in connection
        if b"upgrade" in connection:
            upgrade = special.joined(b"upgrade")
    guarded = any(name.lower() in GUARDED for name, _ in kept)
    trailer = announced(special.tokens(b"trailer"), named) if chunked else b""
    rendered = render_fields(kept)
    return ResponseHead(
        200, b"OK", kept, chunked, length, keep_alive, upgrade, rendered, guarded, named=named, trailer=trailer
    )


_remembered_response_fields = lru_cache(REMEMBERED)(_read_response_fields)


def parse_response(data: bytes, start: int, end: int) -> ResponseHead | Refusal:
    """Read the response head in ``data[start:end]``. A refusal has the status to answer the client with.

    The list of fields may be shared with other heads and must not be changed.
    """
    line = _STATUS_LINE.match(data, start, end)
    if line is None:
        return Refusal(502, "the head of the answer is malformed")
    minor, status, reason = line.groups()
    block = data[line.end() : end]
    head = _remembered_response_fields(block) if len(block) <= MAX_REMEMBERED else _read_response_fields(block)
    if isinstance(head, Refusal) or (status == b"200" and reason == b"OK" and minor == b"1"):
        return head
    return head._replace(status=int(status), reason=reason or b"", keep_alive=head.keep_alive and minor == b"1")


def response_body(head: ResponseHead, method: bytes) -> int:
    """Return what follows *head*: a number of bytes, CHUNKED or UNTIL_CLOSE (RFC 9112 6.3)."""
    if method == b"HEAD" or head.status in (204, 304) or head.status < 200:
        return 0
    if head.chunked:
        return CHUNKED
    return UNTIL_CLOSE if head.length is None else head.length


def host_name(host: bytes) -> str:
    """Return the lower-case name in a Host field, without the port."""
    if host.endswith(b"]"):
        return host.decode("latin-1").lower()
    name, colon, _ = host.rpartition(b":")
    return (name if colon else host).decode("latin-1").lower()
