"""A hub that answers as a test tells it to, and a real single-user server that is started by it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from perijove.client.environment import ServerEnvironment
from perijove.client.oauth import pkce_challenge

API_TOKEN = "secret-of-the-server"
PREFIX = "/user/alice/"
SCOPES = {"alice": ["access:servers!user=alice"], "bob": ["read:users:name!user=bob"]}


def environ(api_url: str = "http://127.0.0.1:9/hub/api", port: int = 0, **more: str) -> dict[str, str]:
    """What a hub hands to the server of alice."""
    return {
        "JUPYTERHUB_API_TOKEN": API_TOKEN,
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
        "JUPYTERHUB_USER": "alice",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_API_URL": api_url,
        "JUPYTERHUB_ACTIVITY_URL": f"{api_url}/users/alice/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{PREFIX}",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=alice/", "access:servers!user=alice"]',
        **more,
    }


@pytest.fixture
def environment() -> ServerEnvironment:
    return ServerEnvironment.from_environ(environ())


@dataclass
class Hub:
    """The hub's memory: whose token, which code, and what it was told."""

    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    knows_client: bool = True
    asked: list[str] = field(default_factory=list)
    activity: list[dict[str, object]] = field(default_factory=list)
    reported: threading.Event = field(default_factory=threading.Event)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub/api"

    def token_for(self, user: str) -> str:
        token = secrets.token_urlsafe(20)
        self.tokens[token] = user
        return token

    def authorize(self, location: str, user: str) -> tuple[str, str]:
        """Do what the hub's page does when *user* comes with the address *location*; return code and state."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert query["client_id"] == "jupyterhub-user-alice"
        assert query["redirect_uri"] == f"{PREFIX}oauth_callback"
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(20)
        self.codes[code] = (user, query["code_challenge"])
        return code, query["state"]


class HubHandler(RequestHandler):
    """Every address of the fake hub."""

    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def get(self) -> None:
        self.hub.asked.append(self.request.path)
        self.set_header("X-JupyterHub-Version", "6.1.1")
        if self.request.path != "/hub/api/user":
            self.write({"version": "6.1.1"})
            return
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        user = self.hub.tokens.get(token)
        if user is None or kind != "token":
            self.set_status(403)
            return
        self.write({"name": user, "kind": "user", "scopes": SCOPES[user], "admin": False, "groups": []})

    def post(self) -> None:
        if self.request.path.endswith("/activity"):
            assert self.request.headers["Authorization"] == f"token {API_TOKEN}"
            self.hub.activity.append(json.loads(self.request.body))
            self.hub.reported.set()
            return
        assert self.request.path == "/hub/api/oauth2/token"
        if not self.hub.knows_client or self.get_body_argument("client_secret") != API_TOKEN:
            self.set_status(401)
            return
        user, challenge = self.hub.codes.pop(self.get_body_argument("code"), ("", ""))
        if not user or pkce_challenge(self.get_body_argument("code_verifier")) != challenge:
            self.set_status(400)
            return
        self.write({"access_token": self.hub.token_for(user), "expires_in": 1209600, "token_type": "Bearer"})


class HubThread:
    """The fake hub in a thread of its own; it can go away and come back at the same port."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        started = threading.Event()

        async def serve() -> None:
            self.loop, self.stopping = asyncio.get_running_loop(), asyncio.Event()
            server = HTTPServer(Application([(r".*", HubHandler, {"hub": self.hub})]))
            sockets = bind_sockets(self.hub.port, "127.0.0.1")
            self.hub.port = sockets[0].getsockname()[1]
            server.add_sockets(sockets)
            started.set()
            await self.stopping.wait()
            server.stop()
            await server.close_all_connections()

        self.thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self.thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        if self.thread is not None:
            self.loop.call_soon_threadsafe(self.stopping.set)
            self.thread.join(10)
            self.thread = None


@pytest.fixture(scope="module")
def hub_thread() -> Iterator[HubThread]:
    thread = HubThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="module")
def hub(hub_thread: HubThread) -> Hub:
    return hub_thread.hub


@dataclass
class RunningServer:
    """A single-user server in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    log: Path

    def client(self, **headers: str) -> httpx.Client:
        """Return a browser without a past."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(hub: Hub, home: Path, *arguments: str, **more: str) -> RunningServer:
    port = free_port()
    log = home / "log"
    variables = {name: value.replace("PORT", str(port)) for name, value in more.items()}
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_START") if name in os.environ}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "perijove.singleuser", "--allow-root", *arguments],
            env={**inherited, "HOME": str(home), **environ(hub.api_url, port, **variables)},
            cwd=home,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = RunningServer(process, f"http://127.0.0.1:{port}", home, log)
    deadline = time.monotonic() + 60
    with server.client() as client:
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                client.get(f"{more.get('JUPYTERHUB_SERVICE_PREFIX', PREFIX)}api")
                return server
            except httpx.TransportError:
                time.sleep(0.05)
    stop_server(server)
    raise AssertionError(f"the server does not answer:\n{log.read_text()}")


def stop_server(server: RunningServer) -> None:
    server.process.terminate()
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    (home / "work").mkdir()
    running = start_server(hub, home, JUPYTERHUB_ROOT_DIR="~/work")
    yield running
    stop_server(running)


class SignIn(Protocol):
    """Go the whole way that a browser goes; return the answer of the callback."""

    def __call__(self, client: httpx.Client, user: str = "alice", page: str = "lab") -> httpx.Response: ...


@pytest.fixture
def sign_in(hub: Hub) -> SignIn:
    def go(client: httpx.Client, user: str = "alice", page: str = "lab") -> httpx.Response:
        answer = client.get(PREFIX + page)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
        code, state = hub.authorize(answer.headers["location"], user)
        return client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})

    return go


class Start(Protocol):
    """Start a single-user server with further arguments and variables; it is stopped after the test."""

    def __call__(self, home: Path, *arguments: str, **more: str) -> RunningServer: ...


@pytest.fixture
def start(hub: Hub) -> Iterator[Start]:
    running: list[RunningServer] = []

    def go(home: Path, *arguments: str, **more: str) -> RunningServer:
        running.append(start_server(hub, home, *arguments, **more))
        return running[-1]

    yield go
    for server in running:
        stop_server(server)
