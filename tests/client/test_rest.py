from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from perijove.client.environment import InvalidEnvironment, ServiceEnvironment
from perijove.client.rest import (
    ApiError,
    HubClient,
    Retry,
    StartFailed,
    message_of,
    pause_before_retry,
    run,
)
from perijove.client.transport import HubUnavailable, Reply

Answer = tuple[int, Any]


class Script:
    """What the hub answers next, or always, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.always: Answer = (200, {})
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}
        self.port = 0

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub/api"


class Hub(RequestHandler):
    def initialize(self, script: Script) -> None:
        self.script = script

    def answer(self) -> None:
        script = self.script
        assert self.request.headers["Authorization"] == "token secret"
        body = json.loads(self.request.body) if self.request.body else None
        script.asked.append((self.request.method or "", (self.request.uri or "").removeprefix("/hub/api"), body))
        status, content = script.answers.pop(0) if script.answers else script.always
        self.set_status(status)
        for name, value in script.headers.items():
            self.set_header(name, value)
        if isinstance(content, list) and self.request.path.endswith("/progress"):
            content = "".join(f"data: {json.dumps(event)}\n\n" for event in content)
        self.finish((content if isinstance(content, str) else json.dumps(content)) if status != 204 else None)

    get = post = put = patch = delete = answer


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    server = HTTPServer(Application([(r".*", Hub, {"script": script})]))
    sockets = bind_sockets(0, "127.0.0.1")
    script.port = sockets[0].getsockname()[1]
    server.add_sockets(sockets)
    yield script
    server.stop()
    await server.close_all_connections()


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def hub(script: Script, clock: Time) -> AsyncIterator[HubClient]:
    retry = Retry(patience=20, clock=clock, sleep=clock.sleep, jitter=lambda: 0)
    async with HubClient(script.api_url, "secret", retry=retry) as hub:
        yield hub


Ask = Callable[[HubClient], Any]

QUESTIONS: list[tuple[Ask, tuple[str, str, Any]]] = [
    (lambda hub: hub.version(), ("GET", "", None)),
    (lambda hub: hub.info(), ("GET", "/info", None)),
    (lambda hub: hub.me(), ("GET", "/user", None)),
    (lambda hub: hub.user("a b/c"), ("GET", "/users/a%20b%2Fc", None)),
    (lambda hub: hub.create_users(["a", "b"]), ("POST", "/users", {"usernames": ["a", "b"], "admin": False})),
    (lambda hub: hub.update_user("a", {"admin": True}), ("PATCH", "/users/a", {"admin": True})),
    (lambda hub: hub.delete_user("a"), ("DELETE", "/users/a", None)),
    (lambda hub: hub.server("a"), ("GET", "/users/a/server", None)),
    (lambda hub: hub.server("a", "x"), ("GET", "/users/a/servers/x", None)),
    (lambda hub: hub.start_server("a"), ("POST", "/users/a/server", None)),
    (lambda hub: hub.start_server("a", options={"m": 1}), ("POST", "/users/a/server", {"user_options": {"m": 1}})),
    (lambda hub: hub.stop_server("a"), ("DELETE", "/users/a/server", None)),
    (lambda hub: hub.stop_server("a", "x", remove=True), ("DELETE", "/users/a/servers/x", {"remove": True})),
    (lambda hub: hub.tokens("a"), ("GET", "/users/a/tokens", None)),
    (
        lambda hub: hub.create_token("a", note="n", expires_in=60, scopes=["x"]),
        ("POST", "/users/a/tokens", {"note": "n", "expires_in": 60, "scopes": ["x"]}),
    ),
    (lambda hub: hub.create_token("a"), ("POST", "/users/a/tokens", {})),
    (lambda hub: hub.revoke_token("a", "a1"), ("DELETE", "/users/a/tokens/a1", None)),
    (lambda hub: hub.group("g"), ("GET", "/groups/g", None)),
    (lambda hub: hub.create_group("g", ["a"]), ("POST", "/groups/g", {"users": ["a"]})),
    (lambda hub: hub.delete_group("g"), ("DELETE", "/groups/g", None)),
    (lambda hub: hub.add_to_group("g", ["a"]), ("POST", "/groups/g/users", {"users": ["a"]})),
    (lambda hub: hub.remove_from_group("g", ["a"]), ("DELETE", "/groups/g/users", {"users": ["a"]})),
    (lambda hub: hub.set_group_properties("g", {"k": 1}), ("PUT", "/groups/g/properties", {"k": 1})),
    (lambda hub: hub.services(), ("GET", "/services", None)),
    (lambda hub: hub.service("s"), ("GET", "/services/s", None)),
    (lambda hub: hub.share("a", user="b"), ("POST", "/shares/a/", {"user": "b"})),
    (
        lambda hub: hub.share("a", "x", group="g", scopes=["s"]),
        ("POST", "/shares/a/x", {"group": "g", "scopes": ["s"]}),
    ),
    (lambda hub: hub.unshare("a", user="b"), ("PATCH", "/shares/a/", {"user": "b"})),
    (lambda hub: hub.unshare("a", "x"), ("DELETE", "/shares/a/x", None)),
    (lambda hub: hub.create_share_code("a", expires_in=60), ("POST", "/share-codes/a/", {"expires_in": 60})),
    (lambda hub: hub.delete_share_code("a", code_id="sc_1"), ("DELETE", "/share-codes/a/?id=sc_1", None)),
]


@pytest.mark.parametrize(("ask", "expected"), QUESTIONS)
async def test_questions(script: Script, hub: HubClient, ask: Ask, expected: tuple[str, str, Any]) -> None:
    script.always = (200, {"version": "6.1.1", "api_tokens": []})
    await ask(hub)
    assert script.asked == [expected]


async def test_outcomes_of_starting_and_stopping(script: Script, hub: HubClient) -> None:
    script.answers = [(201, {}), (202, ""), (204, ""), (202, "")]
    outcomes = [await hub.start_server("a"), await hub.start_server("a")]
    assert [*outcomes, await hub.stop_server("a"), await hub.stop_server("a")] == [True, False, True, False]


async def test_lists_come_page_by_page(script: Script, hub: HubClient) -> None:
    def page(items: list[str], following: object) -> Answer:
        return 200, {"items": [{"name": name} for name in items], "_pagination": {"next": following}}

    elsewhere = {"offset": 2, "limit": 2, "url": "http://evil.example/hub/api/users?offset=2"}
    script.answers = [page(["a", "b"], elsewhere), page(["c"], None)]
    users = hub.users(state="ready", include_stopped_servers=True)
    assert [user["name"] async for user in users] == ["a", "b", "c"]
    query = "/users?state=ready&include_stopped_servers=true&offset={}&limit=200"
    assert [path for _, path, _ in script.asked] == [query.format(0), query.format(2)]

    script.asked.clear()
    script.always = page([], {"offset": 0})
    for items, path in (
        (hub.groups(), "/groups"),
        (hub.shares("a"), "/shares/a"),
        (hub.shares("a", ""), "/shares/a/"),
        (hub.shared_with("a"), "/users/a/shared"),
        (hub.share_codes("a", "x"), "/share-codes/a/x"),
    ):
        assert [item async for item in items] == [], "a hub that turns in circles is left"
        assert script.asked.pop()[1].partition("?")[0] == path
    script.always = (200, [])
    with pytest.raises(HubUnavailable):
        [user async for user in hub.users()]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500])
async def test_the_hub_says_no(script: Script, hub: HubClient, status: int) -> None:
    script.always = (status, {"status": status, "message": "no such thing" + "x" * 1000})
    with pytest.raises(ApiError) as error:
        await hub.user("a")
    assert error.value.status == status
    assert error.value.message.startswith("no such thing") and len(error.value.message) == 500
    assert len(script.asked) == 1, "a no is not asked for twice"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": null}'])
def test_an_error_without_words(body: bytes) -> None:
    assert message_of(Reply(500, {}, body)) == "the hub gives no reason"


async def test_a_hub_that_restarts(script: Script, hub: HubClient, clock: Time) -> None:
    script.answers = [(503, ""), (502, ""), (200, {"name": "a"})]
    assert (await hub.user("a"))["name"] == "a"
    assert clock.now == 1.5
    script.always = (503, "")
    with pytest.raises(HubUnavailable):
        await hub.user("a")
    assert clock.now < 25, "patience ends"


async def test_what_must_not_be_done_twice(script: Script, hub: HubClient, clock: Time) -> None:
    script.answers = [(503, "")]
    with pytest.raises(HubUnavailable):
        await hub.create_token("a")
    assert len(script.asked) == 1, "it may have been done"
    script.headers = {"Retry-After": "7"}
    script.answers = [(503, ""), (429, ""), (201, {"token": "t"})]
    assert (await hub.create_token("a"))["token"] == "t"
    assert clock.now == 14, "the hub says when to come again"


async def test_too_busy_for_longer_than_one_waits(script: Script, hub: HubClient) -> None:
    script.headers = {"Retry-After": "100"}
    script.always = (429, {"message": "Too many users."})
    with pytest.raises(ApiError) as error:
        await hub.start_server("a")
    assert (error.value.status, len(script.asked)) == (429, 1)


async def test_nobody_there(clock: Time) -> None:
    retry = Retry(patience=1, clock=clock, sleep=clock.sleep)
    async with HubClient("http://127.0.0.1:9/hub/api", "secret", retry=retry) as hub:
        with pytest.raises(HubUnavailable):
            await hub.user("a")
        assert clock.now > 0
        with pytest.raises(HubUnavailable):
            await hub.delete_user("a")


def test_when_to_ask_again() -> None:
    busy = Reply(503, {"retry-after": "3"}, b"")
    dated = Reply(503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"")
    assert [pause_before_retry("POST", reply, 0) for reply in (busy, dated, None)] == [3, None, None]
    assert [pause_before_retry("GET", reply, 1) for reply in (busy, dated, None)] == [3, 1, 1]
    assert pause_before_retry("GET", None, 50) == 15
    assert pause_before_retry("GET", Reply(200, {"retry-after": "3"}, b""), 0) is None


async def test_progress(script: Script, hub: HubClient) -> None:
    script.always = (200, [{"progress": 50, "message": "half"}, {"progress": 100, "ready": True}])
    assert [event.get("progress") async for event in hub.progress("a", "x")] == [50, 100]
    script.always = (404, {"message": "no such server"})
    with pytest.raises(ApiError) as error:
        [event async for event in hub.progress("a")]
    assert error.value.message == "no such server"
    script.always = (200, "data: no json\n\n")
    with pytest.raises(HubUnavailable):
        [event async for event in hub.progress("a")]


async def test_start_and_wait(script: Script, hub: HubClient) -> None:
    script.answers = [(202, ""), (200, [{"progress": 100, "ready": True}]), (200, {"ready": True})]
    assert (await hub.run_server("a"))["ready"]
    script.answers = [(201, {}), (200, {"url": "/user/a/"})]
    assert (await hub.run_server("a"))["url"] == "/user/a/"
    script.answers = [(202, ""), (200, [{"progress": 100, "failed": True, "message": "no memory"}])]
    with pytest.raises(StartFailed, match="no memory"):
        await hub.run_server("a")
    script.answers = [(202, ""), (200, [])]
    with pytest.raises(StartFailed, match="does not say why"):
        await hub.run_server("a")


async def test_without_an_event_loop(script: Script) -> None:
    script.always = (200, {"name": "a"})
    environ = {"JUPYTERHUB_API_URL": script.api_url, "JUPYTERHUB_API_TOKEN": "secret"}
    user = await asyncio.to_thread(run, lambda hub: hub.user("a"), environ)
    assert user == {"name": "a"}
    with pytest.raises(InvalidEnvironment) as error:
        HubClient.from_environ({})
    assert len(error.value.problems) == 2


async def test_as_a_service(script: Script, environ: dict[str, str]) -> None:
    environment = ServiceEnvironment.from_environ(
        {**environ, "JUPYTERHUB_API_URL": script.api_url, "JUPYTERHUB_API_TOKEN": "secret"}
    )
    async with HubClient.of(environment) as hub:
        await hub.me()
    assert script.asked == [("GET", "/user", None)]
