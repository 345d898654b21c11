"""What the admin API answers."""

from __future__ import annotations

import json

import pytest

from perijove.proxy.admin.api import AdminAnswer, AdminApi, AdminRequest, authorized
from perijove.proxy.core.book import RouteBook

TARGET = "http://127.0.0.1:8081"


class Caller:
    """Calls an API of its own."""

    def __init__(self, *, host_routing: bool = False) -> None:
        self.book = RouteBook(host_routing=host_routing)
        self.api = AdminApi(self.book, "secret", {"pid": 7})

    def __call__(
        self, method: str, path: str, body: object = None, query: str = "", token: str = "token secret"
    ) -> AdminAnswer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.api.handle(AdminRequest(method, path, query, token, raw), 100.0)

    def add(self, path: str, **data: object) -> AdminAnswer:
        return self("POST", f"/api/routes{path}", {"target": TARGET, **data})


@pytest.fixture
def call() -> Caller:
    return Caller()


@pytest.mark.parametrize(
    ("shown", "allowed"),
    [
        ("token secret", True),
        ("Token secret", True),
        ("bearer secret", True),
        ("token  secret ", True),
        ("token Secret", False),
        ("token secret2", False),
        ("token", False),
        ("secret", False),
        ("basic secret", False),
        ("", False),
        ("token séc", False),
    ],
)
def test_the_token(shown: str, allowed: bool) -> None:
    assert authorized(shown, "secret") is allowed
    assert authorized(shown, "")


def test_without_the_token_nothing_is_told_or_done(call: Caller) -> None:
    for method, path in [("GET", "/api/routes"), ("POST", "/api/routes/a"), ("GET", "/other"), ("GET", "/api/info")]:
        assert call(method, path, {"target": TARGET}, token="token wrong").status == 403
    assert not len(call.book.table)


def test_a_route_comes_and_goes(call: Caller) -> None:
    assert call.add("/user/a%40b", user="a@b", jupyterhub=True).status == 201
    listed = call("GET", "/api/routes")
    assert listed.status == 200
    expected = {"user": "a@b", "jupyterhub": True, "target": TARGET, "last_activity": "1970-01-01T00:01:40.000Z"}
    assert listed.content == {"/user/a@b": expected}
    assert call("GET", "/api/routes/user/a@b").content == expected
    assert call("GET", "/api/routes/user/a%40b/").content == expected
    assert call("DELETE", "/api/routes/user/a%40b").status == 204
    assert call("DELETE", "/api/routes/user/a%40b").status == 404
    assert call("GET", "/api/routes/user/a@b").status == 404


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_route(call: Caller, path: str) -> None:
    assert call.add(path).status == 201
    assert list(call.book.listing()) == ["/"]
    assert call("DELETE", f"/api/routes{path}").status == 204


def test_what_is_logged(call: Caller) -> None:
    assert call.add("/a").event == f"route /a added to {TARGET}"
    assert call.add("/a").event == ""
    assert call("DELETE", "/api/routes/a").event == "route /a removed"


def test_names_cannot_forge_log_lines(call: Caller) -> None:
    assert "\n" not in call.add("/user/a%0AINFO%20forged").event
    assert "\n" not in call("DELETE", "/api/routes/user/a%0AINFO%20forged").event


def test_a_caller_cannot_set_the_activity(call: Caller) -> None:
    call.add("/a", last_activity="2000-01-01T00:00:00Z")
    assert call.book.activity.last("/a") == 100.0
    assert "last_activity" not in next(iter(call.book.table)).data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"target": 5}',
        b'{"target": ""}',
        b'{"target": "ftp://x"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_bad_bodies(call: Caller, body: bytes) -> None:
    answer = call("POST", "/api/routes/a", body)
    assert answer.status == 400
    assert isinstance(answer.content, dict)
    assert answer.content["message"]


@pytest.mark.parametrize("name", ["inactive_since", "inactiveSince"])
def test_inactive_routes(call: Caller, name: str) -> None:
    call.add("/a")
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41Z").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41%2B00:00").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41+00:00").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:40Z").content == {}
    assert call("GET", "/api/routes", query=f"{name}=yesterday").status == 400
    assert call("GET", "/api/routes", query=f"{name}=").status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/routes/a", 405),
        ("PATCH", "/api/routes", 405),
        ("POST", "/api/info", 405),
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/routesx", 404),
        ("GET", "/_chp_healthz", 404),
    ],
)
def test_other_methods_and_paths(call: Caller, method: str, path: str, status: int) -> None:
    assert call(method, path).status == status


def test_info(call: Caller) -> None:
    assert call("GET", "/api/info") == AdminAnswer(200, {"pid": 7})


def test_host_routing() -> None:
    call = Caller(host_routing=True)
    call.add("/Alice.hub.tld/user/alice")
    assert list(call.book.listing()) == ["/alice.hub.tld/user/alice"]
    assert call("DELETE", "/api/routes/alice.hub.tld/user/alice").status == 204
