"""Heads as the proxy writes them anew."""

from __future__ import annotations

from perijove.proxy.core.forwarding import Peer
from perijove.proxy.core.headers import relocated, render_interim, render_request, render_response, render_switch
from perijove.proxy.core.heads import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead, parse_request, parse_response
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target, parse_target

PEER = Peer(b"10.0.0.1", b"http")


def target(url: str = "http://127.0.0.1:8081") -> Target:
    parsed = parse_target(url)
    assert isinstance(parsed, Target)
    return parsed


def to(url: str = "http://127.0.0.1:8081") -> Route:
    return Route("/", target(url))


def head(raw: bytes) -> RequestHead:
    parsed = parse_request(raw, 0, len(raw))
    assert isinstance(parsed, RequestHead)
    return parsed


def answer(raw: bytes) -> ResponseHead:
    parsed = parse_response(raw, 0, len(raw))
    assert isinstance(parsed, ResponseHead)
    return parsed


def lines(raw: bytes) -> list[bytes]:
    assert raw.endswith(b"\r\n\r\n")
    return raw[:-4].split(b"\r\n")


HUB = Route("/hub", target(), {"hub": True})
USER = Route("/user/a", target(), {"user": "a"})


def test_a_request_goes_on_with_its_host_path_and_origin() -> None:
    request = head(b"GET /user/a%40b?x=1 HTTP/1.1\r\nHost: hub.tld:8000\r\nCookie: c\r\nConnection: keep-alive\r\n\r\n")
    assert lines(render_request(request, to(), PEER, b"id-1")) == [
        b"GET /user/a%40b?x=1 HTTP/1.1",
        b"Host: hub.tld:8000",
        b"Cookie: c",
        b"X-Forwarded-Port: 8000",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-Host: hub.tld:8000",
        b'Forwarded: for=10.0.0.1;host="hub.tld:8000";proto=http',
        b"X-Request-ID: id-1",
    ]


def test_behind_another_proxy_its_word_comes_first() -> None:
    request = head(
        b"GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Port: 443\r\nX-Forwarded-Host: outer\r\n\r\n"
    )
    rendered = lines(render_request(request, to(), PEER, b"i"))
    assert b"X-Forwarded-For: 1.1.1.1,10.0.0.1" in rendered
    assert b"X-Forwarded-Proto: https,http" in rendered
    assert b"X-Forwarded-Port: 443,80" in rendered
    assert b"X-Forwarded-Host: outer" in rendered


def test_without_a_peer_what_came_passes() -> None:
    request = head(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
    rendered = lines(render_request(request, to(), None, b"i"))
    assert [line for line in rendered if line.startswith(b"X-Forwarded")] == [b"X-Forwarded-For: 1.1.1.1"]


def test_a_client_on_a_socket_file_has_no_address() -> None:
    request = head(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert not any(b"For:" in line for line in lines(render_request(request, to(), Peer(b"", b"https"), b"i")))
    assert b"X-Forwarded-Port: 443" in lines(render_request(request, to(), Peer(b"", b"https"), b"i"))


def test_the_base_of_a_target_goes_in_front() -> None:
    request = head(b"GET /x?y HTTP/1.0\r\n\r\n")
    rendered = lines(render_request(request, to("http://127.0.0.1:81/base/"), PEER, b"i"))
    assert rendered[:2] == [b"GET /base/x?y HTTP/1.1", b"Host: 127.0.0.1:81"]
    options = head(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
    assert lines(render_request(options, to("http://127.0.0.1:81/b"), PEER, b"i"))[0] == b"OPTIONS * HTTP/1.1"


def test_framing_is_written_anew() -> None:
    chunked = head(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in lines(render_request(chunked, to(), PEER, b"i"))
    empty = head(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"Content-Length: 0" in lines(render_request(empty, to(), PEER, b"i"))
    sized = head(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n")
    assert b"Content-Length: 7" in lines(render_request(sized, to(), PEER, b"i"))


def test_an_upgrade_is_asked_for() -> None:
    request = head(
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    )
    rendered = lines(render_request(request, to(), PEER, b"i"))
    assert rendered[-3:] == [b"Connection: Upgrade", b"Upgrade: websocket", b"X-Request-ID: i"]
    assert b"Sec-WebSocket-Key: k" in rendered


def test_an_answer_keeps_its_fields() -> None:
    head = answer(b"HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\nKeep-Alive: 5\r\n\r\n")
    assert lines(render_response(head, 5, HUB, "/hub/", http11=True, close=False)) == [
        b"HTTP/1.1 200 Fine",
        b"Set-Cookie: a",
        b"Set-Cookie: b",
        b"Content-Length: 5",
    ]


def test_framing_of_answers() -> None:
    chunked = answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    new = lines(render_response(chunked, CHUNKED, HUB, "/", http11=True, close=False))
    assert new[1:] == [b"Transfer-Encoding: chunked"]
    old = lines(render_response(chunked, CHUNKED, HUB, "/", http11=False, close=True))
    assert old[1:] == [b"Connection: close"]
    endless = answer(b"HTTP/1.0 200 OK\r\n\r\n")
    assert lines(render_response(endless, UNTIL_CLOSE, HUB, "/", http11=True, close=True))[1:] == [b"Connection: close"]
    measured = answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")
    assert lines(render_response(measured, 0, HUB, "/", http11=True, close=False))[1:] == [b"Content-Length: 9"]
    nothing = answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    assert lines(render_response(nothing, 0, HUB, "/", http11=True, close=False))[1:] == []


def test_a_users_server_cannot_reach_beyond_its_prefix() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nService-Worker-Allowed: /\r\nSet-Cookie: a=1; Path=/hub/\r\n"
        b"Set-Cookie: b=1; Path=/user/a/\r\nContent-Length: 0\r\n\r\n"
    )
    assert lines(render_response(answer(raw), 0, USER, "/user/a/", http11=True, close=False))[1:] == [
        b"Set-Cookie: b=1; Path=/user/a/",
        b"Content-Length: 0",
    ]
    assert len(lines(render_response(answer(raw), 0, HUB, "/hub/", http11=True, close=False))) == 5


def test_interim_answers_and_switching() -> None:
    assert (
        render_interim(answer(b"HTTP/1.1 100 Continue\r\n\r\n"), USER, "/user/a/") == b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    hints = answer(b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=1; Path=/hub/\r\n\r\n")
    assert render_interim(hints, USER, "/user/a/") == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    head = answer(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Protocol: p\r\nSet-Cookie: a=1; Path=/hub/\r\n\r\n"
    )
    assert lines(render_switch(head, USER, "/user/a/")) == [
        b"HTTP/1.1 101 Switching Protocols",
        b"Sec-WebSocket-Protocol: p",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
    ]


def test_an_operator_may_change_requests() -> None:
    request = head(b"GET /user/a/x HTTP/1.1\r\nHost: public\r\nX-From: client\r\nA: b\r\n\r\n")
    route = Route("/user/a", target("http://inside:81/base"))
    rewriting = Rewriting(change_origin=True, include_prefix=False, fields=((b"x-from", b"proxy"), (b"X-New", b"1")))
    rendered = lines(render_request(request, route, None, b"i", rewriting))
    assert rendered == [
        b"GET /base/x HTTP/1.1",
        b"Host: inside:81",
        b"A: b",
        b"x-from: proxy",
        b"X-New: 1",
        b"X-Request-ID: i",
    ]
    named = lines(render_request(request, route, PEER, b"i", Rewriting(fields=((b"host", b"named"),))))
    assert [line for line in named if line.lower().startswith(b"host:")] == [b"host: named"]
    assert b"X-Forwarded-Host: public" in named


def test_a_redirect_to_the_target_may_lead_to_the_proxy() -> None:
    redirect = answer(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:8081/x\r\nA: http://127.0.0.1:8081/\r\n\r\n")
    moved = relocated(redirect, target(), b"public", Rewriting(auto_rewrite=True))
    assert moved.fields == [(b"location", b"http://public/x"), (b"A", b"http://127.0.0.1:8081/")]
    assert relocated(redirect, target(), b"public", NO_REWRITING) is redirect


def test_trailers_are_announced_where_they_can_come() -> None:
    fields = b"Connection: X-Named\r\nTrailer: X-Sum, Content-Length, x-named\r\nTrailer: Digest\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    request = head(b"POST / HTTP/1.1\r\nHost: h\r\n" + chunked + fields)
    assert b"Transfer-Encoding: chunked\r\nTrailer: x-sum, digest\r\n" in render_request(request, to(), PEER, b"i")
    request = head(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n" + fields)
    assert b"Trailer" not in render_request(request, to(), PEER, b"i")

    response = answer(b"HTTP/1.1 200 OK\r\n" + chunked + fields)
    rendered = render_response(response, CHUNKED, HUB, "/", http11=True, close=False)
    assert lines(rendered) == [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Trailer: x-sum, digest"]
    assert b"Trailer" not in render_response(response, CHUNKED, HUB, "/", http11=False, close=True)
    response = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + fields)
    assert b"Trailer" not in render_response(response, 1, HUB, "/", http11=True, close=False)


def test_a_target_hears_whether_trailers_are_understood() -> None:
    for te, understood in ((b"trailers", True), (b"deflate;q=0.5, Trailers", True), (b"gzip", False)):
        request = head(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: %b\r\n\r\n" % te)
        rendered = lines(render_request(request, to(), PEER, b"i"))
        assert (rendered[-3:-1] == [b"Connection: TE", b"TE: trailers"]) is understood
        assert sum(line.startswith(b"TE:") for line in rendered) == understood
    assert b"TE:" not in render_request(head(b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n"), to(), PEER, b"i")
