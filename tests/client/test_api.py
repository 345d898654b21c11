from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from perijove.client.api import AccessToken, ClientRefused, CodeRefused, HubApi, HubUnavailable, is_header_value
from perijove.client.environment import ServerEnvironment

ALICE = {"name": "alice", "kind": "user", "scopes": []}


class Script:
    """What the hub answers next, and what it was asked last."""

    status = 200
    body: object = ALICE
    hang = False
    port = 0

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []


class Answer(RequestHandler):
    def initialize(self, script: Script) -> None:
        self.script = script

    async def answer(self) -> None:
        script = self.script
        script.seen.append(
            (self.request.method or "", self.request.path, dict(self.request.headers), self.request.body)
        )
        if script.hang:
            await asyncio.Event().wait()
        self.set_status(script.status)
        self.set_header("X-JupyterHub-Version", "6.1.1")
        self.finish(script.body if isinstance(script.body, (str, bytes)) else json.dumps(script.body))

    get = post = answer


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    server = HTTPServer(Application([(r".*", Answer, {"script": script})]))
    sockets = bind_sockets(0, "127.0.0.1")
    script.port = sockets[0].getsockname()[1]
    server.add_sockets(sockets)
    yield script
    server.stop()
    await server.close_all_connections()


def environment(port: int) -> ServerEnvironment:
    api = f"http://127.0.0.1:{port}/hub/api"
    return ServerEnvironment.from_environ(
        {
            "JUPYTERHUB_API_TOKEN": "s3cret",
            "JUPYTERHUB_CLIENT_ID": "client",
            "JUPYTERHUB_USER": "alice",
            "JUPYTERHUB_API_URL": api,
            "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/alice/activity",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
            "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:1/user/alice/",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers"]',
        }
    )


@pytest.fixture
async def api(script: Script) -> AsyncIterator[HubApi]:
    api = HubApi(environment(script.port))
    yield api
    api.close()


async def test_user_for_token(script: Script, api: HubApi) -> None:
    identity = await api.user_for_token("abc")
    assert identity is not None and identity.name == "alice"
    method, path, headers, _ = script.seen[0]
    assert (method, path, headers["Authorization"]) == ("GET", "/hub/api/user", "token abc")


@pytest.mark.parametrize("status", [401, 403])
async def test_refused(script: Script, api: HubApi, status: int) -> None:
    script.status = status
    assert await api.user_for_token("abc") is None


@pytest.mark.parametrize("status", [302, 404, 429, 500, 502, 503])
async def test_no_answer_of_a_hub(script: Script, api: HubApi, status: int) -> None:
    script.status = status
    with pytest.raises(HubUnavailable):
        await api.user_for_token("abc")


@pytest.mark.parametrize("body", ["", "<html>", [], {"name": "x"}, b"\xff\xfe\xfd", "x" * 2_000_000])
async def test_unreadable(script: Script, api: HubApi, body: object) -> None:
    script.body = body
    with pytest.raises(HubUnavailable):
        await api.user_for_token("abc")


@pytest.mark.parametrize("token", ["", "a\r\nX: y", "ä", "a b", "x" * 5000])
async def test_token_that_is_none_is_not_sent(script: Script, api: HubApi, token: str) -> None:
    assert not is_header_value(token)
    assert await api.user_for_token(token) is None
    assert script.seen == []


async def test_nobody_there() -> None:
    with pytest.raises(HubUnavailable) as error:
        await HubApi(environment(9)).user_for_token("abc")
    assert "abc" not in str(error.value)


async def test_hub_that_hangs(script: Script, api: HubApi) -> None:
    script.hang = True
    with pytest.raises(HubUnavailable):
        await api.user_for_token("abc", timeout=0.1)


async def test_exchange(script: Script, api: HubApi) -> None:
    script.body = {"access_token": "tok", "expires_in": 60, "token_type": "Bearer"}
    assert await api.exchange_code("code", "verifier") == AccessToken("tok", 60)
    method, path, headers, body = script.seen[0]
    assert (method, path) == ("POST", "/hub/api/oauth2/token")
    assert "Authorization" not in headers
    assert {name: values[0] for name, values in parse_qs(body.decode()).items()} == {
        "grant_type": "authorization_code",
        "code": "code",
        "code_verifier": "verifier",
        "redirect_uri": "/user/alice/oauth_callback",
        "client_id": "client",
        "client_secret": "s3cret",
    }
    assert "tok" not in repr(AccessToken("tok", 60))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant"}, CodeRefused),
        (401, {"error": "invalid_client"}, ClientRefused),
        (500, "", HubUnavailable),
        (302, "", HubUnavailable),
        (200, "", HubUnavailable),
        (200, [], HubUnavailable),
        (200, {"access_token": 1}, HubUnavailable),
        (200, {"access_token": "a\nb"}, HubUnavailable),
    ],
)
async def test_exchange_fails(script: Script, api: HubApi, status: int, body: object, error: type[Exception]) -> None:
    script.status, script.body = status, body
    with pytest.raises(error):
        await api.exchange_code("code", "verifier")


async def test_activity(script: Script, api: HubApi) -> None:
    assert await api.post_activity({"last_activity": "now"}) == 200
    method, path, headers, body = script.seen[0]
    assert (method, path, headers["Authorization"]) == ("POST", "/hub/api/users/alice/activity", "token s3cret")
    assert json.loads(body) == {"last_activity": "now"}
    script.status = 404
    assert await api.post_activity({}) == 404


async def test_version(script: Script, api: HubApi) -> None:
    assert await api.version() == "6.1.1"
    assert script.seen[0][:2] == ("GET", "/hub/api")
    script.status = 503
    with pytest.raises(HubUnavailable):
        await api.version()
