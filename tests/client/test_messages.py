from __future__ import annotations

import pytest

from perijove.client.messages import Cookie, WebAnswer, WebRequest, comparable_origin, form_field, redirect


def test_where_a_request_came_to() -> None:
    direct = WebRequest("GET", "/a", {"host": "here:8000"})
    assert (direct.origin, direct.secure) == ("http://here:8000", False)
    proxied = {"host": "127.0.0.1:9", "x-forwarded-proto": "https, http", "x-forwarded-host": "hub.example, inner"}
    assert WebRequest("GET", "/a", proxied).origin == "https://hub.example"
    assert WebRequest("GET", "/a", {"host": "h"}, "wss", websocket=True).origin == "https://h"


def test_query() -> None:
    request = WebRequest("GET", "/a?x=1&x=2&y=a%20b&z", {})
    assert [request.query(name) for name in "xyzw"] == ["1", "a b", "", ""]
    assert form_field("&".join(["x=1"] * 1000), "x") == "", "a query of a thousand fields is none"


def test_cookies_of_one_name_come_in_order() -> None:
    request = WebRequest("GET", "/", {"cookie": 'a=1; b="two"; junk; a=3; = ;c=x=y'})
    assert request.cookies("a") == ["1", "3"]
    assert (request.cookies("b"), request.cookies("c"), request.cookies("junk")) == (["two"], ["x=y"], [])
    assert WebRequest("GET", "/", {}).all_cookies() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://Here:80", "http://here", True),
        ("https://here:443", "https://here", True),
        ("http://here:443", "http://here", False),
        ("https://here", "http://here", False),
        ("null", "http://here", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert (comparable_origin(one) == comparable_origin(other)) is same


def test_a_cookie_as_a_header() -> None:
    cookie = Cookie("n", "v", path="/p/", max_age=60, secure=True, domain="example")
    assert cookie.header() == "n=v; Max-Age=60; Path=/p/; HttpOnly; Domain=example; Secure; SameSite=Lax"
    assert (
        Cookie("n", "", path="/", max_age=0, secure=False).header() == "n=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    )
    assert "secret" not in repr(Cookie("n", "secret", path="/", max_age=1, secure=False))


def test_answers_are_kept_nowhere() -> None:
    assert dict(redirect("/a").headers())["Location"] == "/a"
    away = dict(WebAnswer(503, "away", retry_after=10).headers())
    assert (away["Cache-Control"], away["Retry-After"], "Location" in away) == ("no-store", "10", False)
