"""Finding the end of a message body while its bytes pass by.

A reader is fed what arrives and says which bytes to pass on. Bodies are passed on as they came, chunk framing included;
only for a client that does not understand chunks is the framing taken off. Of the fields that trail a chunked body only
those pass that decide nothing (see ``fields``): what comes after the decisions must be no way around them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import NamedTuple, Protocol

from perijove.proxy.core.fields import may_trail
from perijove.proxy.core.heads import CHUNKED

# A generous extension still fits; without a bound a sender could make the proxy read lines for nothing.
MAX_CHUNK_LINE = 256
MAX_TRAILERS = 8 * 1024

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")


class Progress(Enum):
    """How far a body has come."""

    MORE = "more"
    DONE = "done"
    BAD = "bad"


class Fed(NamedTuple):
    """The outcome of feeding: bytes to pass on, how many bytes were used (the rest is the next message), progress."""

    relay: bytes
    used: int
    progress: Progress


class BodyReader(Protocol):
    """Finds the end of one body."""

    def feed(self, data: bytes) -> Fed:
        """Take what arrived next."""
        ...


class LengthBody:
    """A body of known length, above zero."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> Fed:
        """Take what arrived next."""
        size = len(data)
        if size < self._left:
            self._left -= size
            return Fed(data, size, Progress.MORE)
        used, self._left = self._left, 0
        return Fed(data if used == size else data[:used], used, Progress.DONE)


class EndlessBody:
    """A body that ends with its connection."""

    __slots__ = ()

    def feed(self, data: bytes) -> Fed:
        """Take what arrived next."""
        return Fed(data, len(data), Progress.MORE)


class _Phase(Enum):
    SIZE = "size"
    DATA = "data"
    DATA_END = "data end"
    TRAILERS = "trailers"
    OVER = "over"


class ChunkedBody:
    """A chunked body (RFC 9112 7.1). With *unwrap* only the payload is passed on.

    Of its trailer fields those with a lower-case name in *dropped* are not passed on, either.
    """

    __slots__ = ("_dropped", "_held", "_left", "_phase", "_trailers", "_unwrap")

    def __init__(self, *, unwrap: bool = False, dropped: Collection[bytes] = ()) -> None:
        self._unwrap = unwrap
        self._dropped = dropped
        self._phase = _Phase.SIZE
        self._left = 0
        self._held = b""
        self._trailers = 0

    def feed(self, data: bytes) -> Fed:
        """Take what arrived next."""
        before = len(self._held)
        if before:
            data = self._held + data
        out: list[bytes] = []
        end = self._walk(data, out)
        if end < 0:
            return Fed(b"", len(data) - before, Progress.BAD)
        if self._phase is _Phase.OVER:
            self._held = b""
            return Fed(b"".join(out), end - before, Progress.DONE)
        self._held = data[end:]
        return Fed(out[0] if len(out) == 1 else b"".join(out), len(data) - before, Progress.MORE)

    def _walk(self, data: bytes, out: list[bytes]) -> int:
        """Go through *data* as far as it is whole, collecting what to pass on; return where it stopped, -1 if bad."""
        position = copied = 0
        while self._phase is not _Phase.TRAILERS:
            start, phase = position, self._phase
            position = self._step(data, position)
            if position < 0:
                return -1
            if self._unwrap:
                if phase is _Phase.DATA and position > start:
                    out.append(data[start:position])
                copied = position
            if position == start:
                break
        if position > copied:
            out.append(data[copied:position] if copied or position < len(data) else data)
        return self._end_of_trailers(data, position, out) if self._phase is _Phase.TRAILERS else position

    def _step(self, data: bytes, position: int) -> int:
        """Take one piece: a size line, payload, or the line end behind it; return its end, *position* if not whole."""
        if self._phase is _Phase.DATA:
            taken = min(self._left, len(data) - position)
            self._left -= taken
            if not self._left:
                self._phase = _Phase.DATA_END
            return position + taken
        if self._phase is _Phase.DATA_END:
            if len(data) - position < 2:
                return position if data[position : position + 1] in (b"", b"\r") else -1
            if data[position : position + 2] != b"\r\n":
                return -1
            self._phase = _Phase.SIZE
            return position + 2
        return self._size_line(data, position)

    def _size_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position, position + MAX_CHUNK_LINE)
        if end < 0:
            partial = data[position : position + MAX_CHUNK_LINE]
            return -1 if len(partial) == MAX_CHUNK_LINE or b"\n" in partial else position
        match = _CHUNK_LINE.fullmatch(data, position, end)
        if match is None:
            return -1
        self._left = int(match[1], 16)
        self._phase = _Phase.DATA if self._left else _Phase.TRAILERS
        return end + 2

    def _end_of_trailers(self, data: bytes, position: int, out: list[bytes]) -> int:
        """Go over trailer fields to the empty line that ends the body."""
        while True:
            end = data.find(b"\r\n", position)
            if end == position:
                self._phase = _Phase.OVER
                if not self._unwrap:
                    out.append(b"\r\n")
                return position + 2
            if end < 0:
                partial = len(data) - position
                return -1 if self._trailers + partial > MAX_TRAILERS or b"\n" in data[position:] else position
            self._trailers += end + 2 - position
            field = _TRAILER_LINE.fullmatch(data, position, end)
            if self._trailers > MAX_TRAILERS or field is None:
                return -1
            name = field[1].lower()
            if not self._unwrap and may_trail(name) and name not in self._dropped:
                out.append(b"%b: %b\r\n" % (field[1], field[2].strip(b" \t")))
            position = end + 2


def request_reader(body: int, dropped: Collection[bytes] = ()) -> BodyReader | None:
    """Return a reader for a request body, None where there is none; for *dropped* see ``ChunkedBody``."""
    if body == CHUNKED:
        return ChunkedBody(dropped=dropped)
    return LengthBody(body) if body else None


def response_reader(body: int, *, unwrap: bool, dropped: Collection[bytes] = ()) -> BodyReader | None:
    """Return a reader for a response body, None where there is none; for *unwrap* and *dropped* see ``ChunkedBody``."""
    if body == CHUNKED:
        return ChunkedBody(unwrap=unwrap, dropped=dropped)
    if body < 0:
        return EndlessBody()
    return LengthBody(body) if body else None
