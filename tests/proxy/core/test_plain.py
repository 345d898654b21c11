"""What is remembered of plain exchanges is what the general functions say, every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core.errors import HEALTH_PATH
from perijove.proxy.core.forwarding import Peer
from perijove.proxy.core.headers import render_request, render_response
from perijove.proxy.core.heads import (
    MAX_REMEMBERED,
    REMEMBERED,
    RequestHead,
    ResponseHead,
    parse_request,
    parse_response,
    response_body,
)
from perijove.proxy.core.plain import PlainRequest, PlainRequests, plain_answer, plain_request
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting
from perijove.proxy.core.routes import Route, RouteTable
from perijove.proxy.core.targets import Target, parse_target

PEERS = (None, Peer(b"10.0.0.1", b"http"), Peer(b"192.0.2.1", b"https", False))
REWRITINGS = (
    NO_REWRITING,
    Rewriting(change_origin=True, include_prefix=False, fields=((b"X-A", b"set"),)),
)
PLAIN = b"GET /user/a/x?y=1 HTTP/1.1\r\nHost: h\r\n\r\n"


def to(url: str) -> Target:
    target = parse_target(url)
    assert isinstance(target, Target)
    return target


ROUTES = (
    Route("/hub", to("http://127.0.0.1:1"), {"hub": True}),
    Route("/user/a", to("http://127.0.0.1:2/base"), {"user": "a"}),
    Route("/services/s", to("http://127.0.0.1:3"), {"service": "s"}),
)
TABLE = RouteTable(ROUTES)

REQUEST_LINES = st.sampled_from(
    [
        *(b"GET %b HTTP/1.1" % path for path in (b"/hub/x", b"/user/a?b=c", b"/user/a/%40", b"/services/s", b"/other")),
        *(b"GET %b HTTP/1.1" % path for path in (b"http://h/hub", b"*", b"/hub x", HEALTH_PATH.encode())),
        *(b"%b /hub/x HTTP/1.1" % method for method in (b"HEAD", b"POST", b"DELETE", b"OPTIONS")),
        b"GET /hub/x HTTP/1.0",
        b"GET /hub/x HTTP/2",
    ]
)
REQUEST_FIELDS = st.lists(
    st.sampled_from(
        [
            b"Host: other",
            b"Cookie: c=d",
            b"X-A: b",
            b"Accept: */*",
            b"Connection: close",
            b"Connection: keep-alive, x-a",
            b"Connection: Upgrade\r\nUpgrade: websocket",
            b"Content-Length: 0",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            b"X-Request-ID: mine",
            b"X-Forwarded-For: 192.0.2.7",
            b"Bad : field",
        ]
    ),
    max_size=4,
)


@given(REQUEST_LINES, REQUEST_FIELDS, st.sampled_from(PEERS), st.sampled_from(REWRITINGS))
def test_a_plain_request_is_sent_on_as_any_other(
    line: bytes, fields: list[bytes], peer: Peer | None, rewriting: Rewriting
) -> None:
    raw = b"".join(each + b"\r\n" for each in (line, b"Host: h", *fields, b""))
    requests = PlainRequests(rewriting, 65536)
    found = requests.read(raw, TABLE, peer)
    assert found == plain_request(raw, TABLE, peer, rewriting)
    assert requests.read(raw, TABLE, peer) == found
    if found is None:
        return
    head = parse_request(raw, 0, len(raw))
    assert isinstance(head, RequestHead)
    assert (head.method, head.body, head.keep_alive, head.upgrade) == (b"GET", 0, True, b"")
    route = TABLE.find(head.path)
    assert route is not None
    assert (found.head(), found.route) == (head, route)
    assert b"%bid-1\r\n\r\n" % found.start == render_request(head, route, peer, b"id-1", rewriting)


def test_only_a_plain_request_has_a_head() -> None:
    with pytest.raises(TypeError):
        PlainRequest(b"GET\r\n\r\n", ROUTES[0], None, b"").head()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN + PLAIN,
        b"\r\n" + PLAIN,
        PLAIN.replace(b"GET", b"POST"),
        PLAIN.replace(b"Host", b"Host "),
        PLAIN.replace(b"/user/a/x", HEALTH_PATH.encode()),
        PLAIN.replace(b"/user/a", b"/nowhere"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n" % (b"x" * MAX_REMEMBERED)),
    ],
)
def test_what_is_not_plain(data: bytes) -> None:
    assert PlainRequests(NO_REWRITING, 65536).read(data, TABLE, None) is None


def test_large_heads_are_left_to_the_general_way() -> None:
    assert PlainRequests(NO_REWRITING, len(PLAIN)).read(PLAIN, TABLE, None) is not None
    assert PlainRequests(NO_REWRITING, len(PLAIN) - 1).read(PLAIN, TABLE, None) is None


def read(requests: PlainRequests, data: bytes = PLAIN, table: RouteTable = TABLE) -> PlainRequest:
    found = requests.read(data, table, PEERS[1])
    assert found is not None
    return found


def test_a_head_that_comes_again_is_read_no_more_while_nothing_changes() -> None:
    requests = PlainRequests(NO_REWRITING, 65536)
    first, second = read(requests), read(requests)
    assert first is not second
    assert read(requests) is second
    changed = TABLE.changed([Route("/user/a", to("http://127.0.0.1:9"))])
    assert read(requests, table=changed).route.target.url == "http://127.0.0.1:9"
    assert read(requests).route is first.route
    # What another client is told of is another address.
    other = requests.read(PLAIN, TABLE, PEERS[2])
    assert other is not None
    assert (b"192.0.2.1" in other.start, b"192.0.2.1" in read(requests).start) == (True, False)


def test_a_few_hundred_are_remembered_and_no_more() -> None:
    requests = PlainRequests(NO_REWRITING, 65536)
    for number in range(3 * REMEMBERED):
        raw = PLAIN.replace(b"x", b"%d" % number)
        second = (read(requests, raw), read(requests, raw))[1]
        assert read(requests, raw) is second
        assert len(requests._known) <= REMEMBERED
        assert len(requests._once) <= REMEMBERED


def test_a_head_with_an_id_of_its_own_is_not_plain() -> None:
    raw = PLAIN.replace(b"\r\n\r\n", b"\r\nX-Request-ID: mine\r\n\r\n")
    assert PlainRequests(NO_REWRITING, 65536).read(raw, TABLE, None) is None


def test_hosts_are_looked_up_where_they_decide() -> None:
    table = RouteTable([Route("/h.tld", to("http://127.0.0.1:1"), host_routing=True)], host_routing=True)
    raw = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
    assert plain_request(raw % b"H.tld:80", table, None, NO_REWRITING) is not None
    assert plain_request(raw % b"other", table, None, NO_REWRITING) is None


STATUS_LINES = st.sampled_from(
    [
        *(
            b"HTTP/1.1 %b" % status
            for status in (b"200 OK", b"204 No Content", b"304 x", b"404 ", b"500", b"302 Found")
        ),
        *(b"HTTP/1.1 %b" % status for status in (b"100 Continue", b"101 x", b"103 Early Hints", b"999 x")),
        b"HTTP/1.0 200 OK",
    ]
)
ANSWER_FIELDS = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 5",
            b"Content-Length: 0",
            b"Transfer-Encoding: chunked",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Server: s",
            b"Set-Cookie: a=b; Path=/",
            b"Clear-Site-Data: *",
            b"Location: /x",
            b"Bad : field",
        ]
    ),
    max_size=4,
)


@given(STATUS_LINES, ANSWER_FIELDS, st.sampled_from(ROUTES))
def test_a_plain_answer_is_passed_on_as_any_other(line: bytes, fields: list[bytes], route: Route) -> None:
    raw = b"".join(each + b"\r\n" for each in (line, *fields, b""))
    found = plain_answer(raw)
    if found is None:
        return
    head = parse_response(raw, 0, len(raw))
    assert isinstance(head, ResponseHead)
    assert head.keep_alive
    assert (found.status, found.body) == (head.status, response_body(head, b"GET"))
    assert found.status >= 200
    assert found.body >= 0
    expected = render_response(head, found.body, route, "/user/a/x", http11=True, close=False)
    assert found.rendered == expected


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", False),
        (b"", False),
    ],
)
def test_which_answers_are_plain(raw: bytes, plain: bool) -> None:
    assert (plain_answer(raw) is not None) is plain
