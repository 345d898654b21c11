"""What the admin API answers."""

from __future__ import annotations

import json

import pytest

from perijove.proxy.admin.api import MAX_BODY, MAX_TABLE, AdminAnswer, AdminApi, AdminRequest, AdminWait, authorized
from perijove.proxy.core.book import RouteBook

TARGET = "http://127.0.0.1:8081"


class Caller:
    """Calls an API of its own."""

    def __init__(self, *, host_routing: bool = False) -> None:
        self.book = RouteBook(host_routing=host_routing, epoch="now")
        self.api = AdminApi(self.book, "secret", {"pid": 7})

    def __call__(
        self, method: str, path: str, body: object = None, query: str = "", token: str = "token secret"
    ) -> AdminAnswer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.api.handle(AdminRequest(method, path, query, token, raw), 100.0)
        assert isinstance(answer, AdminAnswer)
        return answer

    def wait(self, query: str) -> AdminWait:
        answer = self.api.handle(AdminRequest("GET", "/api/changes", query, "token secret", b""), 100.0)
        assert isinstance(answer, AdminWait)
        return answer

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
    routes, others = "/api/routes", ("/api/info", "/api/changes", "/api/routes")
    for method, path in [("POST", "/api/routes/a"), ("PUT", routes), ("PATCH", routes), *(("GET", p) for p in others)]:
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
    assert isinstance(answer.content, str)
    assert answer.content


@pytest.mark.parametrize("name", ["inactive_since", "inactiveSince"])
def test_inactive_routes(call: Caller, name: str) -> None:
    call.add("/a")
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41Z").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41%2B00:00").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:41+00:00").content != {}
    assert call("GET", "/api/routes", query=f"{name}=1970-01-01T00:01:40Z").content == {}
    assert call("GET", "/api/routes", query=f"{name}=yesterday").status == 400
    assert call("GET", "/api/routes", query=f"{name}=").content == call("GET", "/api/routes").content


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/routes/a", 405),
        ("PATCH", "/api/routes/", 405),
        ("POST", "/api/changes", 405),
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


def test_the_whole_table_in_one_call(call: Caller) -> None:
    call.add("/gone")
    call.add("/user/same", user="same")
    same = {"target": TARGET, "user": "same", "last_activity": "2000-01-01T00:00:00Z"}
    answer = call("PUT", "/api/routes", {"/user/same/": same, "/user/a%40b/": {"target": TARGET}})
    assert answer == AdminAnswer(
        200,
        {"epoch": "now", "id": 3, "put": 1, "deleted": 1},
        "table replaced: 1 routes added or changed, 1 removed",
    )
    assert list(call.book.listing()) == ["/user/a@b", "/user/same"]
    assert call.book.activity.last("/user/same") == 100.0
    assert call("PUT", "/api/routes", {}).content == {"epoch": "now", "id": 4, "put": 0, "deleted": 2}
    assert call("PUT", "/api/routes", {}) == AdminAnswer(200, {"epoch": "now", "id": 4, "put": 0, "deleted": 0})


def test_some_routes_in_one_call(call: Caller) -> None:
    call.add("/a")
    call.add("/b")
    answer = call("PATCH", "/api/routes", {"/a/": None, "/c/": {"target": TARGET}, "/unknown/": None})
    assert answer.content == {"epoch": "now", "id": 3, "put": 1, "deleted": 1}
    assert list(call.book.listing()) == ["/b", "/c"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"/a": 5}', b'{"/a": {}}', b'{"/b": {"target": "http://h"}, "/a": {"target": "ftp://x"}}'],
)
def test_a_bad_route_changes_nothing(call: Caller, method: str, body: bytes) -> None:
    call.add("/kept")
    assert call(method, "/api/routes", body).status == 400
    assert list(call.book.listing()) == ["/kept"]


def test_a_table_may_be_bound_to_what_its_maker_saw(call: Caller) -> None:
    call.add("/a")
    assert call("PUT", "/api/routes", {}, query="epoch=now&since=0").status == 409
    assert call("PUT", "/api/routes", {}, query="epoch=before&since=1").status == 409
    assert call("PUT", "/api/routes", {}, query="epoch=now").status == 400
    assert len(call.book.table) == 1
    assert call("PUT", "/api/routes", {}, query="epoch=now&since=1").status == 200


def test_only_who_shows_the_token_may_send_a_large_body(call: Caller) -> None:
    limit = call.api.body_limit
    assert limit("PUT", "/api/routes", "token secret") == limit("PATCH", "/api/routes", "token secret") == MAX_TABLE
    assert limit("PUT", "/api/routes", "token wrong") == MAX_BODY
    assert limit("POST", "/api/routes", "token secret") == limit("PUT", "/api/routes/a", "token secret") == MAX_BODY


def test_the_feed_of_changes(call: Caller) -> None:
    call.add("/a", user="a")
    call("DELETE", "/api/routes/a")
    added = {"id": 1, "put": {"/a": {"user": "a", "target": TARGET}}, "deleted": []}
    removed = {"id": 2, "put": {}, "deleted": ["/a"]}
    told = call("GET", "/api/changes", query="epoch=now&since=0")
    assert told.content == {"epoch": "now", "id": 2, "changes": [added, removed]}
    assert call("GET", "/api/changes", query="epoch=now&since=1&wait=9").content == {
        "epoch": "now",
        "id": 2,
        "changes": [removed],
    }


@pytest.mark.parametrize("query", ["", "epoch=now", "since=0", "epoch=before&since=1&wait=9", "epoch=now&since=9"])
def test_whoever_is_not_of_this_life_gets_the_whole_table(call: Caller, query: str) -> None:
    call.add("/a")
    expected = {"/a": {"target": TARGET, "last_activity": "1970-01-01T00:01:40.000Z"}}
    assert call("GET", "/api/changes", query=query).content == {
        "epoch": "now",
        "id": 1,
        "reset": True,
        "routes": expected,
    }


def test_waiting_for_a_change(call: Caller) -> None:
    looked: list[int] = []
    call.api.waiting.add(lambda: looked.append(1))
    wait = call.wait("epoch=now&since=0&wait=1e9")
    assert wait.seconds == 60
    assert not wait.ready()
    assert wait.answer().content == {"epoch": "now", "id": 0, "changes": []}
    call.add("/a")
    assert looked
    assert wait.ready()
    changes = wait.answer().content
    assert isinstance(changes, dict)
    assert changes["id"] == 1
    assert len(changes["changes"]) == 1


@pytest.mark.parametrize(
    "query", ["since=x", "since=-1", "since=" + "9" * 30, "wait=x", "wait=-1", "wait=nan", "wait=inf"]
)
def test_a_bad_question_for_changes(call: Caller, query: str) -> None:
    assert call("GET", "/api/changes", query=f"epoch=now&{query}").status == 400


def test_an_answer_to_a_change_waits_for_those_who_serve(call: Caller) -> None:
    settled: set[int] = set()
    call.api.settled = lambda number: number in settled
    body = json.dumps({"target": TARGET}).encode()
    waits = [
        call.api.handle(AdminRequest("POST", "/api/routes/a", "", "token secret", body), 1.0),
        call.api.handle(AdminRequest("POST", "/api/routes/a", "", "token secret", body), 1.0),
    ]
    for wait in waits:
        assert isinstance(wait, AdminWait)
        assert not wait.ready()
        assert wait.answer().status == 201
    settled.add(1)
    assert all(isinstance(wait, AdminWait) and wait.ready() for wait in waits)
    assert call("GET", "/api/routes").status == 200
