"""Differential fuzzing: what h11 refuses, or frames with another length, the proxy refuses.

The proxy may be stricter than h11, never more lenient. Everything is read twice: the proxy remembers blocks of fields.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perijove.proxy.core.bodies import BodyReader, ChunkedBody, Progress, request_reader, response_reader
from perijove.proxy.core.fields import may_trail
from perijove.proxy.core.heads import CHUNKED, Refusal, parse_request, parse_response, response_body

MANY = settings(max_examples=1500, deadline=None)


class Message(NamedTuple):
    """How a reader understood bytes: the start line's words, the payload so far, whether it is over, what follows."""

    start: tuple[bytes, ...]
    payload: bytes
    complete: bool
    rest: bytes


def read_body(reader: BodyReader | None, data: bytes) -> tuple[bytes, bool, bytes] | None:
    """Return (payload, complete, rest), None if the proxy calls the body malformed."""
    if reader is None:
        return b"", True, data
    relay, used, progress = reader.feed(data)
    if progress is Progress.BAD:
        return None
    return relay, progress is Progress.DONE, data[used:] if progress is Progress.DONE else b""


def request_by_proxy(data: bytes) -> Message | None:
    """How the proxy reads a request; None where it refuses it, or waits for the end of its head."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head = parse_request(data, 0, end)
    if isinstance(head, Refusal):
        return None
    unwrapping = ChunkedBody(unwrap=True) if head.body == CHUNKED else request_reader(head.body)
    body = read_body(unwrapping, data[end:])
    return None if body is None else Message((head.method, head.target), *body)


def response_by_proxy(data: bytes, method: bytes) -> Message | None:
    """How the proxy reads an answer to *method*; None where it refuses it, waits, or the answer is not final."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head = parse_response(data, 0, end)
    if isinstance(head, Refusal) or head.status < 200:
        return None
    body = read_body(response_reader(response_body(head, method), unwrap=True), data[end:])
    return None if body is None else Message((str(head.status).encode(),), *body)


def by_h11(connection: h11.Connection, data: bytes) -> Message | None:
    """How h11 reads the same bytes; None where it refuses them or waits for the end of the head."""
    start: tuple[bytes, ...] | None = None
    payload, complete = b"", False
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                start = (event.method, event.target)
            elif isinstance(event, h11.Response):
                start = (str(event.status_code).encode(),)
            elif isinstance(event, h11.Data):
                payload += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                complete = True
                break
            else:
                break
    except h11.RemoteProtocolError:
        return None
    return (
        None if start is None else Message(start, payload, complete, connection.trailing_data[0] if complete else b"")
    )


def one_of(*choices: bytes) -> st.SearchStrategy[bytes]:
    """One of several byte strings, which stand between bars."""
    return st.sampled_from(b"|".join(choices).split(b"|"))


NAMES = one_of(
    b"Content-Length|content-length|Transfer-Encoding|TRANSFER-ENCODING|Host|Connection|X-A|Expect|Upgrade",
    b"Content-Length | Transfer-Encoding|Transfer_Encoding|Content\0-Length||Content-Length",
)
VALUES = one_of(
    b"0|5|05|+5|-1|5, 5|5,6|0x5|5 |1e1|5\0|\xb2||99999999999999999999|5|h|h:80|a b|a\rb|a\tb|" + b"x" * 40,
    b"chunked|Chunked|chunked, identity|gzip, chunked|identity|\x0bchunked|chunked\x0c|close|upgrade|keep-alive",
)
SEPARATORS = one_of(b": |:|:\t| : |:\r\n ||:  |: ")
ENDS = one_of(b"\r\n|\r\n|\r\n|\r\n|\r\n|\r\n|\r\n|\n|\r|\r\r\n|\r\n |\0\r\n")
BODIES = st.binary(max_size=12) | one_of(
    b"hello|5\r\nhello\r\n0\r\n\r\n|5;a=b\r\nhello\r\n0\r\n\r\n|5\r\nhello\r\n0\r\nA: b\r\n\r\nGET",
    b"5\nhello\r\n0\r\n\r\n|0x5\r\nhello\r\n0\r\n\r\n|5 \r\nhello\r\n0\r\n\r\n|+5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n|5\r\nhello0\r\n\r\n|05\r\nhello\r\n000\r\n\r\n|5\r\nhello\r\n0\r\n\nGET|\r\nhello",
    b"5\r\rhello\r\n0\r\n\r\n|-5\r\nhello\r\n0\r\n\r\n|5;\0\r\nhello\r\n0\r\n\r\n|5_0\r\nhello|FFFFFFFFFFFFFFFFF\r\nhello",
    b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n|5\r\nhello\r\n0\r\n A: b\r\n\r\n",
)
REQUEST_LINES = one_of(
    b"POST /a HTTP/1.1|POST /a HTTP/1.1|POST /a HTTP/1.1|GET / HTTP/1.1|GET / HTTP/1.0|GET  / HTTP/1.1|GET / HTTP/1.2",
    b"GET /|GET http://h/ HTTP/1.1|OPTIONS * HTTP/1.1|GET /a b HTTP/1.1|GET / HTTP/1.1 ",
    b"G\tET / HTTP/1.1| GET / HTTP/1.1|GET / http/1.1|GET /\xff HTTP/1.1",
    b"G(T / HTTP/1.1||HEAD / HTTP/1.1|GET /#x HTTP/1.1|POST /b HTTP/1.1",
)
STATUS_LINES = one_of(
    b"HTTP/1.1 200 OK|HTTP/1.1 200 OK|HTTP/1.1 200 OK|HTTP/1.1 200 OK|HTTP/1.0 200 OK|HTTP/1.1 200|HTTP/1.1 200 ",
    b"HTTP/1.1 204 No Content|HTTP/1.1 304 x|HTTP/2 200 OK|HTTP/1.1  200 OK|HTTP/1.1 20 OK|HTTP/1.1 2000 OK",
    b"HTTP/1.1 999 x|http/1.1 200 OK|200 OK|",
)


CHUNKS = one_of(b"5\r\nhello\r\n|5;a=b\r\nhello\r\n|0A\r\n0123456789\r\n|1\r\nx\r\n|")
TRAILERS = one_of(
    b"X-Sum: 1\r\n|Digest:d\r\n|digest: \te \r\n|Content-Length: 3\r\n|Trailer: x\r\n",
    b"Set-Cookie: a=b\r\n|X-Named: x\r\n|ETag: x\r\n|X: \xff\r\n",
    b"Bad : x\r\n| folded\r\n|X: a\nb\r\n|X: \0\r\n|X\r\n|:\r\n",
)


@st.composite
def messages(draw: st.DrawFn, lines: st.SearchStrategy[bytes]) -> bytes:
    """A message that is nearly right, now and then with a few bytes changed anywhere."""
    parts = [draw(lines), draw(ENDS)]
    if draw(st.integers(0, 9)):
        parts.append(b"Host: h\r\n")
    for name, separator, value, end in draw(st.lists(st.tuples(NAMES, SEPARATORS, VALUES, ENDS), max_size=3)):
        parts += [name, separator, value, end]
    parts += [b"\r\n", draw(BODIES)]
    data = bytearray(b"".join(parts))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@MANY
@given(messages(REQUEST_LINES))
@example(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
@example(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nGET")
def test_a_request_is_read_as_h11_reads_it_or_refused(data: bytes) -> None:
    for _ in range(2):
        ours = request_by_proxy(data)
        if ours is not None:
            theirs = by_h11(h11.Connection(h11.SERVER), data)
            assert theirs is not None, f"h11 refuses what the proxy takes for {ours}"
            # The authority of an absolute target is the Host of the request that is passed on.
            assert theirs._replace(start=ours.start) == ours
            assert theirs.start == ours.start or theirs.start[1].endswith(ours.start[1])


@MANY
@given(messages(STATUS_LINES), st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_an_answer_is_read_as_h11_reads_it_or_refused(data: bytes, method: bytes) -> None:
    for _ in range(2):
        ours = response_by_proxy(data, method)
        if ours is not None:
            connection = h11.Connection(h11.CLIENT)
            connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
            connection.send(h11.EndOfMessage())
            theirs = by_h11(connection, data)
            assert theirs is not None, f"h11 refuses what the proxy takes for {ours}"
            assert theirs == ours


@MANY
@given(st.lists(CHUNKS, max_size=3), st.lists(TRAILERS, max_size=4), st.lists(st.integers(0, 200), max_size=4))
@example([b"5\r\nhello\r\n"], [b"X-Sum: 1\r\n", b"Content-Length: 3\r\n"], [])
def test_what_is_passed_on_of_chunks_is_read_as_what_came(
    chunks: list[bytes], trailers: list[bytes], places: list[int]
) -> None:
    came = b"".join([*chunks, b"0\r\n", *trailers, b"\r\n"])
    bounds = sorted({0, len(came), *(place % len(came) for place in places)})
    reader = ChunkedBody(dropped={b"x-named"})
    passed = b""
    for a, b in itertools.pairwise(bounds):
        relay, _, progress = reader.feed(came[a:b])
        passed += relay
        if progress is Progress.BAD:
            return
    before, after = ended(came), ended(passed)
    assert before is not None
    assert after is not None
    kept = [(name, value) for name, value in before[1] if may_trail(name) and name != b"x-named"]
    assert after == (before[0], kept)


def ended(body: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """How h11 reads a chunked body: (payload, trailer fields), None where it does not."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    payload = b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                payload += bytes(event.data)
            elif not isinstance(event, h11.Request):
                return None
    except h11.RemoteProtocolError:
        return None
    return payload, [(bytes(name), bytes(value)) for name, value in event.headers]
