"""The real process against a hub that does as it is told."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import websockets
from traitlets.config import Config

from perijove.singleuser.server import decided_by_hub, ipython_kernels_dir

if TYPE_CHECKING:
    from perijove.client.environment import ServerEnvironment

PREFIX = "/user/alice/"
COOKIE = "jupyterhub-user-alice"


def sign_in(hub: Any, client: httpx.Client, user: str = "alice", page: str = "lab") -> httpx.Response:
    """Go the whole way that a browser goes; return the answer of the callback."""
    answer = client.get(PREFIX + page)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
    code, state = hub.authorize(answer.headers["location"], user)
    return client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})


def test_ready_and_anonymous(server: Any) -> None:
    with server.client() as client:
        answer = client.get(f"{PREFIX}api")
        assert (answer.status_code, answer.headers["x-jupyterhub-version"]) == (200, "6.1.1")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        for path in ("lab", "tree", "files/x", "terminals/1", "user-made-up"):
            assert client.get(PREFIX + path).status_code in {302, 404}, path
        for path in ("api/contents", "api/kernels", "api/me", "lab/api/settings"):
            assert client.get(PREFIX + path).status_code == 403, path
        assert client.post(f"{PREFIX}api/kernels").status_code == 403
        assert client.get(f"{PREFIX}lab", headers={"Sec-Fetch-Mode": "cors"}).status_code == 403
        assert client.get(f"{PREFIX}api/contents?token={'x' * 20}").status_code == 403


def test_whole_sign_in(hub: Any, server: Any) -> None:
    with server.client() as client:
        answer = sign_in(hub, client, page="lab/tree/a%20b?reset=1")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{PREFIX}lab/tree/a%20b?reset=1")
        cookies = [value for value in answer.headers.get_list("set-cookie") if value.startswith(f"{COOKIE}=")]
        assert len(cookies) == 1
        assert "HttpOnly" in cookies[0] and f"Path={PREFIX}" in cookies[0] and "SameSite=Lax" in cookies[0]
        assert "Secure" not in cookies[0]
        assert not [name for name in client.cookies if "oauth-state" in name]
        me = client.get(f"{PREFIX}api/me").json()
        assert me["identity"]["username"] == "alice"
        assert "scopes" not in json.dumps(me)
        page = client.get(f"{PREFIX}lab")
        assert page.status_code == 200
        assert page.headers["x-jupyterhub-version"] == "6.1.1"
        text = page.text.partition('id="jupyter-config-data"')[2].partition(">")[2].partition("</script>")[0]
        config = json.loads(text)
        assert config["hubPrefix"] == "/hub/" and config["hubUser"] == config["hubServerUser"] == "alice"
        assert config["token"] == "" and config["hubServerName"] == ""
        assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]
        assert client.get(f"{PREFIX}tree").status_code == 200
        assert client.get(f"{PREFIX}api/contents").json()["path"] == ""


def test_secure_cookie_behind_https(hub: Any, server: Any) -> None:
    with server.client(**{"X-Forwarded-Proto": "https"}) as client:
        answer = client.get(f"{PREFIX}lab")
        assert "Secure" in answer.headers["set-cookie"]


def test_who_may_not_enter_is_told_so(hub: Any, server: Any) -> None:
    with server.client() as client:
        answer = sign_in(hub, client, "bob")
        assert answer.status_code == 403
        assert "user bob is not allowed." in answer.text
        assert COOKIE not in client.cookies
        token = {"Authorization": f"token {hub.token_for('bob')}"}
        for path in ("lab", "tree", "api/contents", "api/kernels"):
            answer = client.get(PREFIX + path, headers=token)
            assert answer.status_code == 403, path
        assert client.get(f"{PREFIX}api", headers=token).status_code == 200


def test_tokens(hub: Any, server: Any) -> None:
    with server.client() as client:
        token = hub.token_for("alice")
        headers = {"Authorization": f"Bearer {token}"}
        for shown in (headers, {"Authorization": f"token {token}"}):
            assert client.get(f"{PREFIX}api/contents", headers=shown).status_code == 200
        created = client.post(f"{PREFIX}api/contents", json={"type": "file"}, headers=headers)
        assert created.status_code == 201, "a token needs no protection against cross-site requests"
        assert COOKIE not in client.cookies, "a token must not become a cookie"
        assert client.get(f"{PREFIX}api/contents", params={"token": token}).status_code == 403
        assert client.get(f"{PREFIX}api/contents", headers={"Authorization": "token wrong"}).status_code == 403


def test_cookie_needs_xsrf_token(hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(hub, client)
        assert client.post(f"{PREFIX}api/contents", json={"type": "file"}).status_code == 403
        client.get(f"{PREFIX}lab")
        headers = {"X-XSRFToken": client.cookies["_xsrf"]}
        assert client.post(f"{PREFIX}api/contents", json={"type": "file"}, headers=headers).status_code == 201


def test_forged_cookie(hub: Any, server: Any) -> None:
    token = hub.token_for("alice")
    with server.client() as client:
        client.cookies.set(COOKIE, token, path=PREFIX)
        assert client.get(f"{PREFIX}api/contents").status_code == 403


def test_foreign_state_starts_again(hub: Any, server: Any) -> None:
    with server.client() as mallory, server.client() as victim:
        code, state = hub.authorize(mallory.get(f"{PREFIX}lab").headers["location"], "alice")
        answer = victim.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
        assert COOKIE not in victim.cookies
        assert code in hub.codes, "the code must not even be used"


def test_browser_without_cookies_is_not_sent_round_for_ever(hub: Any, server: Any) -> None:
    with server.client() as client:
        answer, hops = client.get(f"{PREFIX}lab"), 0
        while answer.status_code == 302 and hops < 10:
            hops += 1
            code, state = hub.authorize(answer.headers["location"], "alice")
            client.cookies.clear()
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert (answer.status_code, hops) == (400, 3)
        assert "cookies" in answer.text


def test_many_tabs_at_once(hub: Any, server: Any) -> None:
    with server.client() as client:
        started = [(page, client.get(PREFIX + page).headers["location"]) for page in ("lab", "tree", "lab/tree/x")]
        for page, location in reversed(started):
            code, state = hub.authorize(location, "alice")
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
            assert (answer.status_code, answer.headers["location"]) == (302, PREFIX + page)
        used = parse_qs(urlsplit(started[0][1]).query)["state"][0]
        again = client.get(f"{PREFIX}oauth_callback", params={"code": "used", "state": used})
        assert (again.status_code, again.headers["location"]) == (302, PREFIX), "a used state is no error"


def test_hub_says_no(hub: Any, server: Any) -> None:
    with server.client() as client:
        state = parse_qs(urlsplit(client.get(f"{PREFIX}lab").headers["location"]).query)["state"][0]
        params = {"error": "<script>" + "x" * 500, "state": state}
        answer = client.get(f"{PREFIX}oauth_callback", params=params)
        assert answer.status_code == 403
        assert "<script>x" not in answer.text and "x" * 300 not in answer.text


def test_login_goes_nowhere_else(hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(hub, client)
        for target in ("//evil.example", "https://evil.example/", "/user/bob/lab", f"{PREFIX}../bob/"):
            answer = client.get(f"{PREFIX}login", params={"next": target})
            assert (answer.status_code, answer.headers["location"]) == (302, PREFIX)
        assert client.get(f"{PREFIX}login", params={"next": f"{PREFIX}tree"}).headers["location"] == f"{PREFIX}tree"


def test_logout(hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(hub, client)
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        asked = len(hub.asked)
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        assert len(hub.asked) == asked, "an answer is kept for a while"
        answer = client.get(f"{PREFIX}logout")
        assert (answer.status_code, answer.headers["location"]) == (302, "/hub/logout")
        assert COOKIE not in client.cookies
        assert client.get(f"{PREFIX}api/contents").status_code == 403


def test_activity_is_reported(hub: Any, server: Any) -> None:
    assert hub.reported.wait(20)
    report = hub.activity[0]
    assert set(report) == {"servers", "last_activity"}
    assert report["servers"] == {"": {"last_activity": report["last_activity"]}}
    assert str(report["last_activity"]).endswith("Z")


async def run_one_plus_one(url: str, headers: dict[str, str]) -> str:
    """Execute 1+1 over a kernel's WebSocket; return what the kernel shows."""
    message = {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "version": "5.3",
            "username": "",
            "session": "s",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": "1+1", "silent": False},
        "channel": "shell",
        "buffers": [],
    }
    async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps(message))
        async for received in socket:
            answer = json.loads(received)
            if answer["msg_type"] == "execute_result":
                return str(answer["content"]["data"]["text/plain"])
    raise AssertionError("the kernel said nothing")


async def test_kernel_websocket_asks_who_is_there(hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(hub, client)
        client.get(f"{PREFIX}lab")
        xsrf = {"X-XSRFToken": client.cookies["_xsrf"]}
        kernel = client.post(f"{PREFIX}api/kernels", json={"name": "python3"}, headers=xsrf).json()["id"]
        base = server.url.replace("http", "ws")
        url = f"{base}{PREFIX}api/kernels/{kernel}/channels"
        cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        bob = hub.token_for("bob")
        refused: list[dict[str, str]] = [
            {},
            {"Cookie": f"{COOKIE}=alice"},
            {"Authorization": "token wrong"},
            {"Authorization": f"token {bob}"},
            {**cookie, "Origin": "https://evil.example"},
        ]
        for headers in refused:
            for address in (url, f"{base}{PREFIX}lsp/ws/x", f"{base}{PREFIX}api/events/subscribe"):
                with pytest.raises(websockets.InvalidStatus) as error:
                    await websockets.connect(address, additional_headers=headers, proxy=None)
                assert error.value.response.status_code == 403, (address, headers)
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{url}?token={bob}", proxy=None)
        assert await run_one_plus_one(url, cookie) == "2"
        assert await run_one_plus_one(f"{url}?token={hub.token_for('alice')}", {}) == "2"
        client.delete(f"{PREFIX}api/kernels/{kernel}", headers=xsrf)


def test_notebooks_go_on_without_hub(hub: Any, hub_thread: Any, server: Any) -> None:
    with server.client() as client, server.client() as stranger:
        sign_in(hub, client)
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        hub_thread.stop()
        try:
            assert client.get(f"{PREFIX}api/contents").status_code == 200
            assert client.get(f"{PREFIX}lab").status_code == 200
            unknown = {"Authorization": "token never-seen"}
            assert stranger.get(f"{PREFIX}api/contents", headers=unknown).status_code == 503
            assert stranger.get(f"{PREFIX}api", headers=unknown).status_code == 200
            answer = stranger.get(f"{PREFIX}lab", headers=unknown)
            assert answer.status_code == 503
            assert "The hub does not answer" in answer.text
        finally:
            hub_thread.start()


def test_secrets_stay_out_of_the_log(hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(hub, client)
    log = server.log.read_text()
    assert "oauth_callback" in log
    for secret in ("secret-of-the-server", *hub.tokens, *hub.codes):
        assert secret not in log


def test_hub_decides_the_address(environment: ServerEnvironment) -> None:
    config = decided_by_hub(environment)
    assert config.ServerApp.base_url == PREFIX
    assert (config.ServerApp.ip, config.ServerApp.port, config.ServerApp.port_retries) == ("127.0.0.1", 0, 0)
    assert "keyfile" not in config.ServerApp
    assert isinstance(config, Config)


def test_ipython_kernels_dir() -> None:
    assert ipython_kernels_dir({}) == str(Path("~/.ipython/kernels").expanduser())
    assert ipython_kernels_dir({"IPYTHONDIR": "/x"}) == "/x/kernels"
