"""Finding the end of a body, however it is cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core.bodies import (
    MAX_CHUNK_LINE,
    MAX_TRAILERS,
    BodyReader,
    ChunkedBody,
    EndlessBody,
    LengthBody,
    Progress,
    request_reader,
    response_reader,
)
from perijove.proxy.core.heads import CHUNKED, UNTIL_CLOSE


def feed_all(reader: BodyReader, pieces: list[bytes]) -> tuple[bytes, bytes, Progress]:
    """Return what was passed on, what was left over, and the progress."""
    relayed = b""
    progress = Progress.MORE
    for index, piece in enumerate(pieces):
        fed = reader.feed(piece)
        relayed += fed.relay
        progress = fed.progress
        if progress is not Progress.MORE:
            return relayed, piece[fed.used :] + b"".join(pieces[index + 1 :]), progress
        assert fed.used == len(piece)
    return relayed, b"", progress


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.lists(st.integers(0, 400), max_size=12), st.booleans()
)
def test_chunks_cut_anywhere(chunks: list[bytes], places: list[int], unwrap: bool) -> None:
    framed = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    message = framed + b"0\r\nTrailer: t\r\nOther: \tu \r\nNamed: v\r\nContent-Length:5\r\nDigest:\r\n\r\n"
    body = ChunkedBody(unwrap=unwrap, dropped={b"named"})
    relayed, left, progress = feed_all(body, cut(message + b"GET /next", places))
    assert progress is Progress.DONE
    assert left == b"GET /next"
    assert relayed == (b"".join(chunks) if unwrap else framed + b"0\r\nOther: u\r\nDigest: \r\n\r\n")


@given(st.lists(st.integers(0, 400), max_size=12))
def test_nothing_is_held_back_longer_than_needed(places: list[int]) -> None:
    reader = ChunkedBody(unwrap=True)
    assert reader.feed(b"5\r\nhel").relay == b"hel"
    assert reader.feed(b"lo").relay == b"lo"
    assert reader.feed(b"\r").relay == b""
    assert feed_all(reader, cut(b"\n0\r\n\r\n", places)) == (b"", b"", Progress.DONE)


@pytest.mark.parametrize(
    "message",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloXX",
        b"5\r\nhello\n",
        b"5\r\nhello\r\r",
        b"5;a\nb\r\nhello\r\n",
        b"5;\0\r\nhello\r\n",
        b"1" * 16 + b"\r\n",
        b"5;" + b"a" * MAX_CHUNK_LINE + b"\r\n",
        b"5;" + b"a" * MAX_CHUNK_LINE,
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nX: a\nY: b\r\n\r\n",
        b"0\r\n\n",
        b"0\r\n" + b"X: y\r\n" * MAX_TRAILERS,
        b"0\r\nX: " + b"y" * (MAX_TRAILERS + 1),
    ],
)
@pytest.mark.parametrize("unwrap", [True, False])
def test_malformed_chunks(message: bytes, unwrap: bool) -> None:
    assert feed_all(ChunkedBody(unwrap=unwrap), [message])[2] is Progress.BAD
    pieces = [message[index : index + 1] for index in range(min(len(message), 600))]
    if len(message) < 600:
        assert feed_all(ChunkedBody(unwrap=unwrap), pieces)[2] is Progress.BAD


def test_whole_chunks_pass_without_copying() -> None:
    data = b"5\r\nhello\r\n"
    assert ChunkedBody().feed(data).relay is data
    assert LengthBody(100).feed(data).relay is data


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=20), st.lists(st.integers(0, 200), max_size=8))
def test_length(body: bytes, rest: bytes, places: list[int]) -> None:
    assert feed_all(LengthBody(len(body)), cut(body + rest, places)) == (body, rest, Progress.DONE)


def test_endless() -> None:
    assert feed_all(EndlessBody(), [b"a", b"b"]) == (b"ab", b"", Progress.MORE)


def test_choice_of_reader() -> None:
    assert request_reader(0) is None
    assert isinstance(request_reader(5), LengthBody)
    assert isinstance(request_reader(CHUNKED), ChunkedBody)
    assert response_reader(0, unwrap=False) is None
    assert isinstance(response_reader(5, unwrap=False), LengthBody)
    assert isinstance(response_reader(CHUNKED, unwrap=True), ChunkedBody)
    assert isinstance(response_reader(UNTIL_CLOSE, unwrap=False), EndlessBody)
