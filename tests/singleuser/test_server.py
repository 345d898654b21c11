"""The real process against a hub that does as it is told."""

from __future__ import annotations

import json
import signal
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import websockets
from traitlets.config import Config

from perijove.singleuser.server import SingleUserServer, decided_by_hub, ipython_kernels_dir

if TYPE_CHECKING:
    from perijove.client.environment import ServerEnvironment

PREFIX = "/user/alice/"
COOKIE = "jupyterhub-user-alice"
OTHER_WEBSOCKETS = ("lsp/ws/x", "api/events/subscribe", "terminals/websocket/1")


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


def test_whole_sign_in(sign_in: Any, server: Any) -> None:
    with server.client() as client:
        answer = sign_in(client, page="lab/tree/a%20b?reset=1")
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


def test_secure_cookie_behind_https(server: Any) -> None:
    with server.client(**{"X-Forwarded-Proto": "https"}) as client:
        answer = client.get(f"{PREFIX}lab")
        assert "Secure" in answer.headers["set-cookie"]


def test_who_may_not_enter_is_told_so(sign_in: Any, hub: Any, server: Any) -> None:
    with server.client() as client:
        answer = sign_in(client, "bob")
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


def test_cookie_needs_xsrf_token(sign_in: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(client)
        assert client.post(f"{PREFIX}api/contents", json={"type": "file"}).status_code == 403
        client.get(f"{PREFIX}lab")
        headers = {"X-XSRFToken": client.cookies["_xsrf"]}
        assert client.post(f"{PREFIX}api/contents", json={"type": "file"}, headers=headers).status_code == 201


def test_forged_cookie(hub: Any, server: Any) -> None:
    token = hub.token_for("alice")
    with server.client() as client:
        client.cookies.set(COOKIE, token, path=PREFIX)
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


async def test_kernel_websocket_asks_who_is_there(sign_in: Any, hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(client)
        client.get(f"{PREFIX}lab")
        xsrf = {"X-XSRFToken": client.cookies["_xsrf"]}
        kernel = client.post(f"{PREFIX}api/kernels", json={"name": "python3"}, headers=xsrf).json()["id"]
        base = server.url.replace("http", "ws")
        url = f"{base}{PREFIX}api/kernels/{kernel}/channels"
        others = [base + PREFIX + path for path in OTHER_WEBSOCKETS]
        cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        bob = hub.token_for("bob")
        nobody = [
            {},
            {"Cookie": f"{COOKIE}=alice"},
            {"Authorization": "token wrong"},
            {"Authorization": f"token {bob}"},
        ]
        refused = [(address, headers) for address in (url, *others) for headers in nobody]
        for address, headers in [*refused, (url, {**cookie, "Origin": "https://evil.example"})]:
            with pytest.raises(websockets.InvalidStatus) as error:
                await websockets.connect(address, additional_headers=headers, proxy=None)
            assert error.value.response.status_code == 403, (address, headers)
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{url}?token={bob}", proxy=None)
        assert await run_one_plus_one(url, cookie) == "2"
        assert await run_one_plus_one(f"{url}?token={hub.token_for('alice')}", {}) == "2"
        client.delete(f"{PREFIX}api/kernels/{kernel}", headers=xsrf)
    # The first kernel of a server that was executed itself is not copied, but the next one would be.
    assert "A kernel is executed, not copied: no process is prepared yet" in server.log.read_text()


def test_notebooks_go_on_without_hub(sign_in: Any, hub_thread: Any, server: Any) -> None:
    with server.client() as client, server.client() as stranger:
        sign_in(client)
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


def test_secrets_stay_out_of_the_log(sign_in: Any, hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(client)
    log = server.log.read_text()
    assert "oauth_callback" in log
    for secret in ("secret-of-the-server", *hub.tokens, *hub.codes):
        assert secret not in log


def test_configuration_opens_no_second_door(start: Any, hub: Any, tmp_path: Path) -> None:
    (tmp_path / ".jupyter").mkdir()
    (tmp_path / ".jupyter" / "jupyter_server_config.py").write_text(
        "from pathlib import Path\n"
        "Path('config-was-read').touch()\n"
        "c.ServerApp.token = c.IdentityProvider.token = c.HubIdentityProvider.token = 'door'\n"
        "c.ServerApp.identity_provider_class = 'jupyter_server.auth.PasswordIdentityProvider'\n"
        "c.ServerApp.authorizer_class = 'jupyter_server.auth.AllowAllAuthorizer'\n"
        "c.ServerApp.base_url, c.ServerApp.port, c.ServerApp.ip = '/elsewhere/', 1, '127.0.0.2'\n"
        "c.ServerApp.default_url = '/tree'\n"
    )
    nobody = "http://127.0.0.1:9/hub/api"
    server = start(tmp_path, JUPYTERHUB_API_URL=nobody, JUPYTERHUB_ACTIVITY_URL=f"{nobody}/users/alice/activity")
    assert (tmp_path / "config-was-read").exists()
    with server.client() as client:
        assert client.get(f"{PREFIX}api").status_code == 200, "a hub that is away keeps no server from starting"
        assert client.get(PREFIX).headers["location"].startswith(f"{PREFIX}tree")
        assert client.get(f"{PREFIX}api/contents", params={"token": "door"}).status_code == 403
        assert client.get(f"{PREFIX}api/contents", headers={"Authorization": "token door"}).status_code == 503
    assert "The hub does not answer" in server.log.read_text()


def test_user_config_can_be_switched_off(start: Any, tmp_path: Path) -> None:
    (tmp_path / ".jupyter").mkdir()
    for name in ("jupyter_server_config.py", "jupyter_config.py", "jupyter_lab_config.py"):
        (tmp_path / ".jupyter" / name).write_text("open('config-was-read', 'w').close()")
    server = start(tmp_path, JUPYTERHUB_DISABLE_USER_CONFIG="1", JUPYTERHUB_DEFAULT_URL="/tree/x")
    assert not (tmp_path / "config-was-read").exists()
    with server.client() as client:
        assert client.get(PREFIX).headers["location"].startswith(f"{PREFIX}tree/x")


def test_names_that_need_escaping(start: Any, hub: Any, tmp_path: Path) -> None:
    prefix = "/base/user/al%20ice%2B@x.y~/my-server/"
    server = start(
        tmp_path,
        JUPYTERHUB_BASE_URL="/base/",
        JUPYTERHUB_SERVICE_PREFIX=prefix,
        JUPYTERHUB_SERVICE_URL="http://127.0.0.1:PORT" + prefix,
        JUPYTERHUB_OAUTH_CALLBACK_URL=f"{prefix}oauth_callback",
        JUPYTERHUB_SERVER_NAME="my-server",
        JUPYTERHUB_HOST="https://hub.example",
        JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED="1",
    )
    with server.client() as client:
        assert client.get(f"{prefix}api").status_code == 200
        answer = client.get(f"{prefix}lab")
        assert answer.headers["location"].startswith("https://hub.example/base/hub/api/oauth2/authorize?")
        assert "Path=/;" in answer.headers["set-cookie"] and "Secure" in answer.headers["set-cookie"]
        headers = {"Authorization": f"token {hub.token_for('alice')}"}
        assert client.get(f"{prefix}api/contents", headers=headers).status_code == 200
        assert '"hubServerName": "my-server"' in client.get(f"{prefix}lab", headers=headers).text
        assert client.get(f"{prefix}logout").headers["location"] == "https://hub.example/base/hub/logout"


@pytest.mark.parametrize(("gateway", "name"), [(False, "PromptChannels"), (True, "GatewayWebSocketConnection")])
def test_kernels_answer_promptly_unless_they_are_behind_a_gateway(
    environment: ServerEnvironment, gateway: bool, name: str
) -> None:
    made: Any = SingleUserServer(environment=environment)
    made.gateway_config = SimpleNamespace(gateway_enabled=gateway)
    assert made.kernel_websocket_connection_class.__name__ == name


def test_hub_decides_the_address(environment: ServerEnvironment) -> None:
    config = decided_by_hub(environment)
    assert config.ServerApp.base_url == PREFIX
    assert (config.ServerApp.ip, config.ServerApp.port, config.ServerApp.port_retries) == ("127.0.0.1", 0, 0)
    assert "keyfile" not in config.ServerApp
    assert isinstance(config, Config)


def test_ipython_kernels_dir() -> None:
    assert ipython_kernels_dir({}) == str(Path("~/.ipython/kernels").expanduser())
    assert ipython_kernels_dir({"IPYTHONDIR": "/x"}) == "/x/kernels"


def test_asked_to_finish_it_ends_its_kernels_and_then_itself(start: Any, hub: Any, tmp_path: Path) -> None:
    server = start(tmp_path)
    headers = {"Authorization": f"token {hub.token_for('alice')}"}
    with server.client(**headers) as client:
        assert client.post(f"{PREFIX}api/kernels").status_code == 201
    assert list(tmp_path.rglob("kernel-*.json"))
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert "Shutting down 1 kernel" in server.log.read_text()
    assert not list(tmp_path.rglob("kernel-*.json"))


def test_asked_twice_it_does_not_wait_for_what_hangs(start: Any, tmp_path: Path) -> None:
    (tmp_path / ".jupyter").mkdir()
    (tmp_path / ".jupyter" / "jupyter_server_config.py").write_text(
        "import asyncio\nfrom jupyter_server.serverapp import ServerApp\n"
        "async def hang(self):\n    print('it hangs', flush=True)\n    await asyncio.Event().wait()\n"
        "ServerApp.cleanup_extensions = hang\n"
    )
    server = start(tmp_path)
    server.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 30
    while "it hangs" not in server.log.read_text():
        assert time.monotonic() < deadline and server.process.poll() is None
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == -signal.SIGTERM
