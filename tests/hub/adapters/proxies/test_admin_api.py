from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perijove.hub.adapters.proxies import admin_api
from perijove.hub.adapters.proxies.admin_api import AdminApi, path_of, routes_of
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.routes import Route

ROUTE = Route("/user/al%20ice/", "http://127.0.0.1:9", {"user": "al ice"})


@pytest.fixture
async def client(api: Any) -> AsyncIterator[AdminApi]:
    made = AdminApi(api.url, "the-token", 3)
    yield made
    await made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_api, "RETRY_SECONDS", 1.0)


@pytest.mark.parametrize(
    ("routespec", "path"),
    [("/", "/api/routes/"), ("/user/a/", "/api/routes/user/a"), ("/user/a%25b/", "/api/routes/user/a%25b")],
)
def test_paths_in_the_api(routespec: str, path: str) -> None:
    assert path_of(routespec) == path


def test_routes_of_others_are_left_out_and_names_escaped_again() -> None:
    listing = {
        "/": {"target": "http://h", "jupyterhub": True, "hub": True, "last_activity": "2026-01-01T00:00:00Z"},
        "/user/al ice@x": {"target": "http://a", "jupyterhub": True, "user": "al ice@x"},
        "/user/a%b": {"target": "http://b", "jupyterhub": True},
        "/somebody/else": {"target": "http://c"},
    }
    assert routes_of(listing) == {
        "/": Route("/", "http://h", {"hub": True, "last_activity": "2026-01-01T00:00:00Z"}),
        "/user/al%20ice@x/": Route("/user/al%20ice@x/", "http://a", {"user": "al ice@x"}),
        "/user/a%25b/": Route("/user/a%25b/", "http://b"),
    }


@pytest.mark.parametrize("listing", [[], None, "x", {"/": "x"}])
def test_what_is_no_table_is_refused(listing: Any) -> None:
    with pytest.raises(PerijoveError) as error:
        routes_of(listing)
    assert error.value.code is Code.UNAVAILABLE


async def test_a_route_is_posted_with_token_and_mark(api: Any, client: AdminApi) -> None:
    api.answers = [(201, "")]
    await client.add(ROUTE)
    line, headers, body = api.requests[0]
    assert line == "POST /api/routes/user/al%20ice"
    assert headers["authorization"] == "token the-token"
    assert json.loads(body) == {"target": "http://127.0.0.1:9", "jupyterhub": True, "user": "al ice"}


async def test_deleting_what_is_gone_is_fine(api: Any, client: AdminApi) -> None:
    api.answers = [(404, "")]
    await client.delete("/user/a%25b/")
    assert api.requests[0][0] == "DELETE /api/routes/user/a%25b"


async def test_faults_of_the_proxy_are_waited_out(api: Any, client: AdminApi) -> None:
    api.answers = [(500, ""), None, (503, ""), (201, "")]
    await client.add(ROUTE)
    assert len(api.requests) == 4


@pytest.mark.usefixtures("impatient")
async def test_faults_that_last_are_told(api: Any, client: AdminApi) -> None:
    api.answers = [(502, "")]
    with pytest.raises(PerijoveError, match="status 502") as error:
        await client.add(ROUTE)
    assert error.value.code is Code.UNAVAILABLE
    assert len(api.requests) > 1


@pytest.mark.usefixtures("impatient")
async def test_a_proxy_that_is_away_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = AdminApi(f"http://127.0.0.1:{unused.getsockname()[1]}", "t", 1)
        assert await client.info() is None
        with pytest.raises(PerijoveError, match="does not answer") as error:
            await client.routes()
        await client.close()
    assert error.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize(("status", "words"), [(403, "does not take the hub's token"), (400, "status 400")])
async def test_faults_of_ours_are_not_tried_again(api: Any, client: AdminApi, status: int, words: str) -> None:
    api.answers = [(status, "")]
    with pytest.raises(PerijoveError, match=words) as error:
        await client.add(ROUTE)
    assert "the-token" not in error.value.message
    assert len(api.requests) == 1


async def test_a_table_that_is_not_json_is_told(api: Any, client: AdminApi) -> None:
    api.answers = [(200, "<html>")]
    with pytest.raises(PerijoveError, match="not JSON"):
        await client.routes()


async def test_only_so_many_calls_at_once(api: Any, client: AdminApi) -> None:
    api.answers, api.pause = [(201, "")], 0.01
    await asyncio.gather(*(client.add(ROUTE) for _ in range(20)))
    assert len(api.requests) == 20
    assert api.most == 3


async def test_proxies_of_the_environment_are_not_used(
    api: Any, client: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fresh = AdminApi(api.url, "t", 1)
    assert await fresh.info() == {}
    await fresh.close()


@pytest.mark.parametrize(
    ("answer", "expected"), [((200, '{"pid": 7}'), {"pid": 7}), ((404, ""), {}), ((200, "{}"), {})]
)
async def test_what_the_proxy_says_of_itself(
    api: Any, client: AdminApi, answer: tuple[int, str], expected: dict[str, Any]
) -> None:
    api.answers = [answer]
    assert await client.info() == expected


@pytest.mark.parametrize("answer", [(403, ""), (500, ""), (200, "[]"), (200, "<html>"), None])
async def test_something_that_is_no_proxy_of_ours(api: Any, client: AdminApi, answer: tuple[int, str] | None) -> None:
    api.answers = [answer]
    with pytest.raises(PerijoveError) as error:
        await client.info()
    assert error.value.code is Code.UNAVAILABLE


OTHER = Route("/user/b/", "http://127.0.0.1:8", {"user": "b"})


async def test_many_routes_go_in_one_call_where_the_proxy_can(api: Any, client: AdminApi) -> None:
    api.answers = [(200, '{"features": ["bulk-routes"]}')]
    await client.change([ROUTE, OTHER], ["/user/gone/"])
    assert [line for line, _, _ in api.requests] == ["GET /api/info", "PATCH /api/routes"]
    assert json.loads(api.requests[1][2]) == {
        "/user/al%20ice/": {"target": "http://127.0.0.1:9", "jupyterhub": True, "user": "al ice"},
        "/user/b/": {"target": "http://127.0.0.1:8", "jupyterhub": True, "user": "b"},
        "/user/gone/": None,
    }


@pytest.mark.parametrize("info", [(404, ""), (200, '{"features": 5}'), (200, '{"pid": 7}')])
async def test_many_routes_go_one_by_one_elsewhere(api: Any, client: AdminApi, info: tuple[int, str]) -> None:
    api.answers = [info, (201, "")]
    await client.change([ROUTE, OTHER], ["/user/gone/"])
    lines = sorted(line for line, _, _ in api.requests[1:])
    assert lines == ["DELETE /api/routes/user/gone", "POST /api/routes/user/al%20ice", "POST /api/routes/user/b"]


async def test_the_first_of_many_failures_is_told(api: Any, client: AdminApi) -> None:
    api.answers = [(404, ""), (400, "")]
    with pytest.raises(PerijoveError, match="status 400") as error:
        await client.change([ROUTE, OTHER], [])
    assert error.value.code is Code.UNAVAILABLE


def test_a_client_is_made_without_loading_anything() -> None:
    script = """
import sys
from perijove.hub.adapters.proxies.admin_api import AdminApi
known = set(sys.modules)
AdminApi("http://127.0.0.1:1", "token", 1)
print(sorted(name for name in sys.modules.keys() - known if name.startswith("http")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
