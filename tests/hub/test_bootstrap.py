"""A real hub with its proxy and servers as processes; slow parts of a server are left out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.local import UNLIMITED
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.bootstrap import NOBODY_ALLOWED, announcement, compose, running
from perijove.hub.cli.audit import main as verify_audit_log
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import ADMIN_SCOPES
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import State
from perijove.hub.core.site import Site
from perijove.hub.plugins.configuration import Configuration, load
from perijove.hub.settings.loading import Arguments
from perijove.hub.usecases.startup import apply_configuration

ADMIN = Principal("user", "root", expand(ADMIN_SCOPES, Holder(user="root")), user_id=9999, admin=True)
SERVER = """
import http.server, os, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")
    def log_message(self, *args):
        pass
url = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.HTTPServer((url.hostname, url.port), Handler).serve_forever()
"""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def configured(tmp_path: Path, authenticator: str = "dummy", extra: str = "") -> Configuration:
    """Return the configuration of a hub whose files are all below *tmp_path*."""
    public, hub, api = free_ports(3)
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(
        f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.data_dir = {str(tmp_path / "data")!r}
c.JupyterHub.authenticator_class = {authenticator!r}
c.JupyterHub.spawner_class = "simple"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.Spawner.cmd = [{sys.executable!r}, {str(script)!r}]
c.Authenticator.allow_all = True
{extra}
"""
    )
    return load(Arguments(config_file=file, folder=tmp_path))


def left_running(tmp_path: Path) -> list[str]:
    """Return the command lines of processes that have to do with that folder."""
    found = subprocess.run(["ps", "-eo", "pid,args", "-ww"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if f"{tmp_path}/" in line]


async def status(url: str) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return (await client.get(url)).status_code


async def ada(hub: Any) -> None:
    async with hub.store.transaction() as tx:
        await tx.users.add("ada", admin=False, now=hub.state.ctx.clock.now())


async def settled(hub: Any) -> Any:
    server = await hub.state.servers.get(ADMIN, "ada", "")
    return await hub.state.servers.settle(server, 60)


async def test_a_hub_starts_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    configuration = configured(tmp_path, extra='c.JupyterHub.pid_file = "hub.pid"')
    options = configuration.hub
    async with running(configuration) as hub:
        assert await status(f"{options.hub_url}/hub/health") == 200
        assert await status(f"{options.bind_url}hub/health") == 200
        assert (options.data_path / "hub.pid").read_text() == f"{os.getpid()}\n"
        await ada(hub)
        await hub.state.servers.start(ADMIN, "ada", "")
        server = await settled(hub)
        assert server.ready, server.failure
        assert await status(f"{options.bind_url}user/ada/api") == 200
        assert left_running(tmp_path)
    assert left_running(tmp_path) == []
    assert not (options.data_path / "hub.pid").exists()
    for port in (options.port, options.hub_port):
        socket.create_server(("127.0.0.1", port)).close()


async def test_limits_that_nothing_holds_are_told_at_the_start_of_the_hub_and_of_each_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "places", lambda parent: {})
    with capture_logs() as logged:
        async with running(configured(tmp_path, extra='c.Spawner.mem_limit = "1G"')) as hub:
            told = [line["event"] for line in logged if line["log_level"] == "warning"]
            assert [line for line in told if line.startswith("Limits of servers for memory are not held")]
            await ada(hub)
            await hub.state.servers.start(ADMIN, "ada", "")
            server = await settled(hub)
            async with hub.store.transaction() as tx:
                shown = [event.message for event in await tx.progress.list(server.id, server.attempt)]
    assert server.ready and UNLIMITED in shown


PREPARES = """
from pathlib import Path
from perijove.hub.ports.authenticator import Authenticator
class Prepares(Authenticator):
    def add_user(self, user):
        with Path({path!r}).open("a") as file:
            print(user.id > 0, user.name, file=file)
c.JupyterHub.authenticator_class = Prepares
c.Authenticator.allowed_users = {{"ada"}}
"""


async def test_the_authenticator_prepares_whoever_is_a_user_when_the_hub_starts(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    async with running(configured(tmp_path, extra=PREPARES.format(path=str(prepared)))):
        async with asyncio.timeout(30):
            while not prepared.exists() or "ada" not in prepared.read_text():
                await asyncio.sleep(0.01)
    assert prepared.read_text() == "True ada\n"


@pytest.mark.parametrize("keys", ["", "password", f"{'0' * 64};x"])
async def test_a_state_that_is_to_be_encrypted_needs_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", keys)
    configuration = configured(tmp_path, extra="c.Authenticator.enable_auth_state = True")
    with pytest.raises(PerijoveError, match="openssl rand -hex 32"):
        async with running(configuration):
            pass


async def test_a_key_in_the_environment_encrypts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", f"{'0' * 64};{'1' * 64}")
    async with composed(configured(tmp_path, extra="c.Authenticator.enable_auth_state = True")) as hub:
        encryption = hub.state.ctx.encryption
    assert FernetEncryption([b"\0" * 32]).decrypt(encryption.encrypt(b"x")) == (b"x", False)
    assert encryption.decrypt(FernetEncryption([b"\x11" * 32]).encrypt(b"x")) == (b"x", True)


async def test_without_the_option_nothing_is_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", "not looked at")
    async with composed(configured(tmp_path)) as hub:
        assert hub.state.ctx.encryption is None


async def test_servers_and_proxy_go_on_without_the_hub_where_that_is_wanted(tmp_path: Path) -> None:
    keep = "c.JupyterHub.cleanup_servers = False\nc.JupyterHub.cleanup_proxy = False"
    configuration = configured(tmp_path, extra=keep)
    page = f"{configuration.hub.bind_url}user/ada/api"
    async with running(configuration) as hub:
        await ada(hub)
        await hub.state.servers.start(ADMIN, "ada", "")
        before = await settled(hub)
        assert before.ready, before.failure
    assert await status(page) == 200
    configuration.hub.cleanup_servers = configuration.hub.cleanup_proxy = True
    async with running(configuration) as hub:
        after = await settled(hub)
        assert (after.state, after.url, after.attempt) == (State.READY, before.url, before.attempt)
        assert await status(page) == 200
    assert left_running(tmp_path) == []


async def refusal(configuration: Configuration) -> str:
    """Return why the hub does not start: one line."""
    with pytest.raises(PerijoveError) as caught:
        async with running(configuration):
            raise AssertionError("it started")
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("which", ["hub_port", "port"])
async def test_a_port_that_is_taken_is_told_and_nothing_is_left(tmp_path: Path, which: str) -> None:
    configuration = configured(tmp_path)
    port = getattr(configuration.hub, which)
    with socket.create_server(("127.0.0.1", port)):
        assert str(port) in await refusal(configuration)
    assert left_running(tmp_path) == []
    async with running(configuration) as hub:
        assert await status(f"{hub.options.hub_url}/hub/health") == 200


async def test_a_failed_start_stops_nobodys_server(tmp_path: Path) -> None:
    configuration = configured(tmp_path, extra="c.JupyterHub.cleanup_servers = False")
    async with running(configuration) as hub:
        await ada(hub)
        await hub.state.servers.start(ADMIN, "ada", "")
        assert (await settled(hub)).ready
    configuration.hub.cleanup_servers = True
    with socket.create_server(("127.0.0.1", configuration.hub.port)):
        await refusal(configuration)
    async with running(configuration) as hub:
        server = await settled(hub)
        assert (server.ready, server.attempt) == (True, 1)
    assert left_running(tmp_path) == []


async def test_a_second_hub_on_the_same_database_is_refused(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    async with running(configuration) as hub:
        message = await refusal(configuration)
        assert "database" in message or "hub" in message
        assert await status(f"{hub.options.hub_url}/hub/health") == 200


@pytest.mark.parametrize("name", ["data", "data/logs"])
async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, name: str) -> None:
    configuration = configured(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("a file, not a folder")
    assert str(configuration.hub.data_path) in await refusal(configuration)


async def test_a_pid_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    configuration = configured(tmp_path, extra='c.JupyterHub.pid_file = "no/such/folder/hub.pid"')
    assert "hub.pid cannot be written" in await refusal(configuration)
    async with running(configured(tmp_path)):
        pass


@pytest.mark.parametrize(
    ("extra", "address"),
    [
        ("", "http://127.0.0.1:{port}/hub/setup?code="),
        ("c.JupyterHub.base_url = '/jupyter/'", "http://127.0.0.1:{port}/jupyter/hub/setup?code="),
        (
            "c.JupyterHub.bind_url = c.JupyterHub.bind_url.replace('127.0.0.1', '')",
            "http://127.0.0.1:{port}/hub/setup?code=",
        ),
        ("c.JupyterHub.public_url = 'https://lab.example/'", "https://lab.example/hub/setup?code="),
        (
            "c.JupyterHub.base_url = '/j/'\nc.JupyterHub.public_url = 'https://lab.example/j'",
            "https://lab.example/j/hub/setup?code=",
        ),
    ],
)
async def test_the_link_for_the_first_administrator_leads_to_the_hub(tmp_path: Path, extra: str, address: str) -> None:
    configuration = configured(tmp_path, "password", extra)
    options = configuration.hub
    # Nothing needs to run for it.
    async with composed(configuration) as hub:
        lines = await announcement(hub)
        (line,) = [line for line in lines if "first administrator" in line]
        link = line.rpartition(" ")[2]
        assert link.startswith(address.format(port=options.port))
        accounts = hub.state.accounts
        assert await accounts.invitation_valid(link.rpartition("=")[2])
        await accounts.set_up_administrator(
            link.rpartition("=")[2], "grace", "a good long password", hub.state.settings.session_lifetime
        )
        assert not any("setup" in line for line in await announcement(hub))


async def test_there_is_no_link_where_the_hub_keeps_no_passwords(tmp_path: Path) -> None:
    async with composed(configured(tmp_path)) as hub:
        assert not any("setup" in line for line in await announcement(hub))


class composed:  # noqa: N801 - reads as a verb
    """A hub that is put together and not started."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    async def __aenter__(self) -> Any:
        self.configuration.hub.data_path.mkdir(mode=0o700, exist_ok=True)
        self.store = await SqlStore.open("sqlite://")
        hub = compose(self.configuration, self.store)
        await apply_configuration(hub.state.ctx, hub.state.authenticator, (), (), site=Site())
        return hub

    async def __aexit__(self, *exc: object) -> None:
        await self.store.close()


def test_an_error_at_the_start_is_one_line_and_a_status(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    program = (
        "import sys; from pathlib import Path; from perijove.hub.bootstrap import run; "
        "from perijove.hub.plugins.configuration import load; from perijove.hub.settings.loading import Arguments; "
        f"sys.exit(run(load(Arguments(config_file=Path({str(configuration.config_file)!r}), "
        f"folder=Path({str(tmp_path)!r})))))"
    )
    with socket.create_server(("127.0.0.1", configuration.hub.hub_port)):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = [line for line in ended.stderr.splitlines() if "cannot start" in line]
    assert str(configuration.hub.hub_port) in line
    assert "Traceback" not in ended.stderr
    assert left_running(tmp_path) == []


async def test_the_proxys_token_is_the_same_after_a_restart_and_not_the_cookie_secret(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    seen = []
    for _ in range(2):
        async with composed(configuration) as hub:
            seen.append(hub.proxy.setting.default_token)
    assert seen[0] == seen[1]
    assert seen[0] not in configuration.hub.cookie_secret_path.read_text()


async def test_the_audit_log_of_a_hub_tells_from_where_and_is_as_it_was_written(tmp_path: Path) -> None:
    configuration = configured(tmp_path, extra="c.Authenticator.allow_all = False")
    url, came = configuration.hub.bind_url, {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "request-of-ada"}
    with capture_logs() as logged:
        async with running(configuration), httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
            token = re.search(r'name="_xsrf" value="([^"]+)"', (await client.get("/hub/login")).text)
            assert token is not None
            data = {"_xsrf": token[1], "username": "ada", "password": "secret of ada"}
            assert (await client.post("/hub/login", data=data, headers=came)).status_code == 403
    lines = [json.loads(line) for line in (tmp_path / "data/audit.jsonl").read_text().splitlines()]
    (line,) = [line for line in lines if line["action"] == "session.begin"]
    assert (line["outcome"], line["target"]["name"], line["request_id"]) == ("refused", "ada", "request-of-ada")
    # A program on this machine is believed, as a server in front of ours would be.
    assert line["address"] == "203.0.113.9"
    assert "secret of ada" not in str(lines)
    assert verify_audit_log(["verify", str(tmp_path / "data/audit.jsonl")]) == 0
    assert any(line["event"] == NOBODY_ALLOWED for line in logged)


async def test_a_hub_whose_spawner_is_broken_gives_up(tmp_path: Path) -> None:
    configuration = configured(tmp_path, extra="c.Spawner.consecutive_failure_limit = 2")
    async with running(configuration) as hub:
        for user_id in (1, 1, 2):
            assert not hub.state.shutdown.wanted.is_set()
            hub.parts.steps.failures.broke(user_id)
        assert hub.state.shutdown.wanted.is_set()
        assert hub.state.shutdown.failed
        # It would be left to the next hub, and there is none.
        hub.state.shutdown.proxy = True


def test_a_start_loads_nothing_that_only_some_hubs_need() -> None:
    script = (
        "import sys, perijove.hub.bootstrap, perijove.hub.plugins.discovery as d; d.load_ours(); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    rare = {"alembic", "cryptography.fernet", "psycopg", "sqlalchemy.dialects.postgresql", "pydantic.v1"}
    assert rare.isdisjoint(loaded)
