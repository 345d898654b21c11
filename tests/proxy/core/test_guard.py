"""What an answer from a user's server may not say."""

from __future__ import annotations

import dataclasses

import pytest

from perijove.proxy.core.guard import cookie_stays_inside, passes_guard
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target, parse_target


def route(**data: object) -> Route:
    target = parse_target("http://127.0.0.1:1")
    assert isinstance(target, Target)
    return Route("/user/a", target, data)


@pytest.mark.parametrize(
    ("cookie", "stays"),
    [
        ("a=1", True),
        ("a=1; Path=/user/a/", True),
        ("a=1; Path=/user/a", True),
        ("a=1; path = /user/a/lab ; HttpOnly", True),
        ("a=1; Path=", True),
        ("a=1; Path=relative", True),
        ("a=1; Path=/", False),
        ("a=1; Path=/hub/", False),
        ("a=1; Path=/user/ab", False),
        ("a=1; Path=/user/a/; Path=/", False),
        ("a=1; Path=/; Path=/user/a/", False),
        ("a=1; PATH=/hub/", False),
        ("a=1;Path=/hub/", False),
        ("a=1; Path=/user/%62", False),
        ("a=1; Path=/user/%61/", True),
        ("a=1; Domain=hub.tld", False),
        ("a=1; Path=/user/a/; domain=hub.tld", False),
        ("a=1; Domain", False),
        ("a=1; Secure; SameSite=Lax", True),
        ("Path=/hub/; Path=/user/a/", True),
    ],
)
def test_cookies(cookie: str, stays: bool) -> None:
    assert cookie_stays_inside(cookie, "/user/a", "/user/a/lab") is stays


def test_without_a_path_the_cookie_goes_to_the_directory_of_the_request() -> None:
    assert not cookie_stays_inside("a=1", "/user/a", "/user/a")
    assert cookie_stays_inside("a=1; Path=/user/a/", "/user/a", "/user/a")
    assert cookie_stays_inside("a=1", "/user/a", "/user/%61/")
    assert cookie_stays_inside("a=1", "/", "/")


@pytest.mark.parametrize("name", [b"Service-Worker-Allowed", b"service-worker-allowed", b"Clear-Site-Data"])
def test_fields_that_act_on_the_whole_origin_are_for_the_hub_alone(name: bytes) -> None:
    assert not passes_guard(name, b"/", route(user="a"), "/user/a/")
    assert not passes_guard(name, b"/", route(service="s"), "/user/a/")


def test_cookies_of_services_and_other_fields_pass() -> None:
    assert passes_guard(b"Set-Cookie", b"a=1; Path=/", route(service="s"), "/user/a/")
    assert not passes_guard(b"SET-COOKIE", b"a=1; Path=/", route(user="a"), "/user/a/")
    assert passes_guard(b"Content-Type", b"text/html", route(user="a"), "/user/a/")


@pytest.mark.parametrize("name", [b"NEL", b"Report-To", b"Strict-Transport-Security", b"alt-svc"])
def test_a_users_server_says_nothing_for_the_whole_host(name: bytes) -> None:
    assert not passes_guard(name, b"x", route(user="a"), "/user/a/lab")
    assert passes_guard(name, b"x", route(service="s"), "/user/a/lab")


def test_a_users_page_cannot_share_a_browsing_context_with_the_hubs() -> None:
    name = b"Cross-Origin-Opener-Policy"
    assert not passes_guard(name, b"same-origin", route(user="a"), "/user/a/lab")
    assert passes_guard(name, b"same-origin", route(service="s"), "/user/a/lab")
    own_host = dataclasses.replace(route(user="a"), key="/a.hub.tld/user/a", host_routing=True)
    assert passes_guard(name, b"same-origin", own_host, "/user/a/lab")
