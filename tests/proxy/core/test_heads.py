"""Reading heads strictly: whatever two programs could read in two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core.heads import (
    CHUNKED,
    MAX_REQUEST_LINE,
    UNTIL_CLOSE,
    Refusal,
    RequestHead,
    ResponseHead,
    has_bare_line_feed,
    host_name,
    parse_request,
    parse_response,
    response_body,
)


def request(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: h\r\n") -> RequestHead | Refusal:
    raw = line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
    return parse_request(raw, 0, len(raw))


def accepted(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: h\r\n") -> RequestHead:
    head = request(*fields, line=line, host=host)
    assert isinstance(head, RequestHead), head
    return head


def response(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> ResponseHead | Refusal:
    raw = line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
    return parse_response(raw, 0, len(raw))


@pytest.mark.parametrize(
    "fields",
    [
        [b"Content-Length: 1", b"Content-Length: 1"],
        [b"Content-Length: 1", b"Content-Length: 2"],
        [b"Content-Length: 1, 1"],
        [b"Content-Length: +1"],
        [b"Content-Length: -1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length: 1 1"],
        [b"Content-Length:"],
        [b"Content-Length: 1_0"],
        [b"Content-Length: 9999999999999999999"],
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 1"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: \x0bchunked"],
        [b"Transfer-Encoding:"],
        [b"Transfer-Encoding : chunked"],
        [b" Transfer-Encoding: chunked"],
        [b"X: a", b" Transfer-Encoding: chunked"],
        [b"X: a\nTransfer-Encoding: chunked"],
        [b"X: a\rTransfer-Encoding: chunked"],
        [b"X: a\0b"],
        [b"X: a\x7fb"],
        [b"X Y: a"],
        [b"X\t: a"],
        [b": a"],
        [b"no colon"],
        [b"Host: other"],
    ],
)
def test_smuggling_vectors_are_refused(fields: list[bytes]) -> None:
    head = request(*fields)
    assert isinstance(head, Refusal), head
    assert head.status == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/1.10", 505),
        (b"GET  / HTTP/1.1", 400),
        (b"GET /  HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET /", 400),
        (b"GET\t/ HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /a#b HTTP/1.1", 400),
        (b"GET /\xc3\xa9 HTTP/1.1", 400),
        (b"GET a HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"CONNECT host:443 HTTP/1.1", 400),
        (b"G@T / HTTP/1.1", 400),
        (b"GET /" + b"a" * MAX_REQUEST_LINE + b" HTTP/1.1", 414),
    ],
)
def test_bad_request_lines(line: bytes, status: int) -> None:
    head = request(line=line)
    assert isinstance(head, Refusal), head
    assert head.status == status


@pytest.mark.parametrize(
    "host", [b"", b"Host:\r\n", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: u@h\r\n", b"Host: h:x\r\n"]
)
def test_http11_needs_one_proper_host(host: bytes) -> None:
    head = request(host=host)
    assert isinstance(head, Refusal)


@pytest.mark.parametrize("host", [b"h", b"h:80", b"a-b.c_d.e", b"127.0.0.1:8000", b"[::1]:8000", b"[::1]"])
def test_proper_hosts(host: bytes) -> None:
    assert accepted(host=b"Host: " + host + b"\r\n").host == host


def test_http10_may_come_without_a_host_but_not_with_chunks() -> None:
    head = accepted(line=b"GET / HTTP/1.0", host=b"")
    assert (head.host, head.http11, head.keep_alive) == (b"", False, False)
    assert isinstance(request(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"), Refusal)


def test_an_absolute_target_must_name_the_host() -> None:
    head = accepted(line=b"GET http://other:81?x=/ HTTP/1.1", host=b"Host: Other:81\r\n")
    assert (head.target, head.path, head.host) == (b"/?x=/", "/", b"other:81")
    assert accepted(line=b"GET HTTP://h/a?b HTTP/1.1").path == "/a"
    assert accepted(line=b"GET http://other/ HTTP/1.0", host=b"").host == b"other"
    assert isinstance(request(line=b"GET http://other/ HTTP/1.1"), Refusal)
    assert isinstance(request(line=b"GET http://u@h/ HTTP/1.1", host=b"Host: u@h\r\n"), Refusal)


def test_fields_of_this_hop_end_here() -> None:
    head = accepted(
        b"Connection: keep-alive, X-Mine",
        b"X-Mine: 1",
        b"Keep-Alive: 5",
        b"TE: trailers",
        b"Trailer: x",
        b"Proxy-Connection: close",
        b"Proxy-Authorization: p",
        b"Upgrade: h2c",
        b"HTTP2-Settings: x",
        b"X-Other: 2",
    )
    assert head.fields == [(b"X-Other", b"2")]
    assert head.keep_alive
    assert head.upgrade == b""


def test_what_the_proxy_writes_itself_cannot_be_taken_away_by_connection() -> None:
    head = accepted(
        b"Connection: Host, X-Forwarded-For, Content-Length", b"X-Forwarded-For: 1.1.1.1", b"Content-Length: 3"
    )
    assert head.host == b"h"
    assert head.forwarded == {b"x-forwarded-for": b"1.1.1.1"}
    assert head.body == 3


def test_bodies_of_requests() -> None:
    assert accepted().body == 0
    assert accepted(b"Content-Length: 0").body == 0
    assert accepted(b"content-length:7 ").body == 7
    assert accepted(b"Transfer-Encoding: Chunked").body == CHUNKED


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"websocket"),
        ([b"Connection: keep-alive, upgrade", b"Upgrade: WebSocket"], b"WebSocket"),
        ([b"Upgrade: websocket"], b""),
        ([b"Connection: Upgrade"], b""),
        ([b"Connection: Upgrade", b"Upgrade: h2c"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket, h2c"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5"], b""),
    ],
)
def test_upgrades(fields: list[bytes], upgrade: bytes) -> None:
    assert accepted(*fields).upgrade == upgrade


def test_request_ids_are_taken_over_when_they_are_harmless() -> None:
    assert accepted(b"X-Request-ID: abc-1").request_id == b"abc-1"
    assert accepted(b"X-Request-ID: a b").request_id == b""
    assert accepted(b"X-Request-ID: " + b"a" * 200).request_id == b""


def test_values_are_stripped_and_case_is_kept() -> None:
    head = accepted(b"X-A: \t b c \t", b"x-B:d", b"X-Empty:", b"Accept: a", b"Accept: b", line=b"GET /p?q=%20 HTTP/1.1")
    assert head.fields == [(b"X-A", b"b c"), (b"x-B", b"d"), (b"X-Empty", b""), (b"Accept", b"a, b")]
    assert (head.path, head.target, head.accept) == ("/p", b"/p?q=%20", b"a, b")


def test_reading_within_a_buffer() -> None:
    raw = b"junkGET /a HTTP/1.1\r\nHost: h\r\n\r\nrest"
    head = parse_request(raw, 4, len(raw) - 4)
    assert isinstance(head, RequestHead)
    assert head.path == "/a"


@given(st.binary(max_size=200))
def test_no_input_breaks_the_readers(data: bytes) -> None:
    assert isinstance(parse_request(data, 0, len(data)), RequestHead | Refusal)
    assert isinstance(parse_response(data, 0, len(data)), ResponseHead | Refusal)


def test_bare_line_feeds() -> None:
    assert has_bare_line_feed(b"GET /\n")
    assert has_bare_line_feed(b"\nGET")
    assert not has_bare_line_feed(b"GET /\r\nX")
    assert not has_bare_line_feed(b"a\nb\r\n", 3)


@pytest.mark.parametrize(
    ("fields", "method", "line", "body"),
    [
        ([b"Content-Length: 5"], b"GET", b"HTTP/1.1 200 OK", 5),
        ([b"Transfer-Encoding: chunked"], b"GET", b"HTTP/1.1 200 OK", CHUNKED),
        ([], b"GET", b"HTTP/1.1 200 OK", UNTIL_CLOSE),
        ([b"Content-Length: 5"], b"HEAD", b"HTTP/1.1 200 OK", 0),
        ([b"Content-Length: 5"], b"GET", b"HTTP/1.1 304 Not Modified", 0),
        ([], b"DELETE", b"HTTP/1.1 204 No Content", 0),
        ([], b"GET", b"HTTP/1.1 103", 0),
    ],
)
def test_bodies_of_answers(fields: list[bytes], method: bytes, line: bytes, body: int) -> None:
    head = response(*fields, line=line)
    assert isinstance(head, ResponseHead)
    assert response_body(head, method) == body


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], b"HTTP/1.1 200 OK"),
        ([b"Content-Length: 5", b"Content-Length: 5"], b"HTTP/1.1 200 OK"),
        ([b"Transfer-Encoding: gzip"], b"HTTP/1.1 200 OK"),
        ([b"X : y"], b"HTTP/1.1 200 OK"),
        ([b"X: y\nZ: a"], b"HTTP/1.1 200 OK"),
        ([], b"HTTP/2 200 OK"),
        ([], b"HTTP/1.1 99 Low"),
        ([], b"HTTP/1.1 600 High"),
        ([], b"hello"),
    ],
)
def test_answers_that_are_refused(fields: list[bytes], line: bytes) -> None:
    head = response(*fields, line=line)
    assert isinstance(head, Refusal), head
    assert head.status == 502


def test_answers() -> None:
    head = response(
        b"Connection: close, X-Hop", b"X-Hop: 1", b"Set-Cookie: a", b"Set-Cookie: b", line=b"HTTP/1.1 200 All Right"
    )
    assert isinstance(head, ResponseHead)
    assert (head.status, head.reason, head.keep_alive) == (200, b"All Right", False)
    assert head.fields == [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]
    old = response(line=b"HTTP/1.0 200 OK")
    assert isinstance(old, ResponseHead)
    assert not old.keep_alive


@pytest.mark.parametrize(
    ("host", "name"), [(b"Hub.TLD:8000", "hub.tld"), (b"hub", "hub"), (b"[::1]:80", "[::1]"), (b"[::1]", "[::1]")]
)
def test_host_names(host: bytes, name: str) -> None:
    assert host_name(host) == name


def test_the_same_fields_mean_what_they_mean_behind_each_request_line() -> None:
    fields = b"Host: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    lines = [b"GET /a HTTP/1.1\r\n", b"GET /b HTTP/1.0\r\n", b"GET /a HTTP/1.1\r\n"]
    first, old, again = (parse_request(line + fields, 0, len(line + fields)) for line in lines)
    assert isinstance(first, RequestHead)
    assert isinstance(old, RequestHead)
    assert again == first
    assert (first.keep_alive, first.upgrade) == (True, b"websocket")
    assert (old.path, old.keep_alive, old.upgrade) == ("/b", False, b"")


@pytest.mark.parametrize("bad", [b"Host: h\r\nA : b\r\n\r\n", b"Host: h\r\nContent-Length: 1, 1\r\n\r\n"])
def test_what_was_refused_is_refused_again(bad: bytes) -> None:
    head = b"GET / HTTP/1.1\r\n" + bad
    assert [type(parse_request(head, 0, len(head))) for _ in range(3)] == [Refusal] * 3


@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_the_same_fields_mean_what_they_mean_behind_each_status_line(line: bytes) -> None:
    data = line + b"A: b\r\nContent-Length: 3\r\n\r\n"
    for _ in range(2):
        head = parse_response(data, 0, len(data))
        assert isinstance(head, ResponseHead)
        assert (b"%d %b" % (head.status, head.reason)) in line
        assert head.keep_alive is line.startswith(b"HTTP/1.1")
        assert (head.length, head.rendered) == (3, b"A: b\r\n")


def test_a_large_block_of_fields_is_read_like_a_small_one() -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"a" * 5000 + b"\r\nContent-Length: 5\r\n\r\n"
    head = parse_request(data, 0, len(data))
    assert isinstance(head, RequestHead)
    assert (head.body, len(head.rendered)) == (5, 5010)
