"""Real hubs that start in a fifth of a second, because they are copies of a process that has all modules loaded.

Each is a process of its own that runs what the ``perijove`` command runs, to be killed at will, or by itself at a point
of its work (`crash_points`). Its servers are `fake_notebook` processes, its proxy is the real one.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import httpx
import psycopg
from tests.support import fake_notebook
from tests.support.crash_points import MortalStore, Points, wishes
from tests.support.hubs import BASE_CONFIG, OPS_TOKEN, alive, free_ports, processes_of_service

from perijove.hub import bootstrap
from perijove.hub.core.drift import Drift
from perijove.hub.plugins.configuration import load
from perijove.hub.settings.loading import Arguments
from perijove.hub.usecases import leases, lifecycle
from perijove.hub.web import state

T = TypeVar("T")
PRELOADED = [
    "anyio._backends._asyncio",
    "httpcore",
    "httpx",
    "perijove.hub.adapters.authenticators.password",
    "perijove.hub.bootstrap",
    "pytest",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "perijove.hub.adapters.authenticators.dummy",
    "perijove.hub.adapters.proxies.configurable_http_proxy",
    "perijove.hub.adapters.spawners.local",
]
"""Installed modules only: the process that has them loaded does not look where tests are."""
LOOK = 0.02
PATIENCE = 30.0
READY = "Press Ctrl-C to stop it"
CONFIG = (
    BASE_CONFIG
    + """
c.JupyterHub.data_dir = {data!r}
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.allow_named_servers = True
c.JupyterHub.activity_resolution = 3600
c.JupyterHub.slow_spawn_timeout = 0
c.JupyterHub.slow_stop_timeout = 0
c.JupyterHub.spawner_class = "tests.support.crash_points.MortalSpawner"
c.JupyterHub.proxy_class = "tests.support.crash_points.MortalProxy"
c.ConfigurableHTTPProxy.auth_token = "the-token-of-the-proxy-in-these-tests"
c.Proxy.check_running_interval = 0.1
c.SimpleLocalProcessSpawner.term_timeout = 0.5
c.Spawner.cmd = [{python!r}, "-I", "-S", {notebook!r}]
c.JupyterHub.services = [{{"name": "ops", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{
    "name": "ops",
    "services": ["ops"],
    "scopes": ["admin:users", "admin:servers", "list:users", "tokens", "access:servers", "read:hub", "shutdown",
               "proxy", "read:metrics"],
}}]
{extra}
"""
)


@functools.cache
def _copier() -> multiprocessing.context.ForkServerContext:
    """Return what copies the process that has all modules loaded; made with the first hub."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _run(folder: str, lease: float) -> None:
    """Be a hub whose leases last *lease* seconds. Runs in a process of its own."""
    home = Path(folder)
    os.setsid()
    os.chdir(home)
    output = os.open(home / "hub.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    Points.folder = home
    # Looking through everything installed for the version of a plug-in of ours takes longer than all the rest.
    with (
        mock.patch.object(bootstrap, "SqlStore", MortalStore),
        mock.patch.object(state, "packages_distributions", dict),
        mock.patch.multiple(
            lifecycle, LEASE=timedelta(seconds=lease), RENEW_INTERVAL=lease / 3, SWEEP_INTERVAL=lease / 2
        ),
        mock.patch.multiple(leases, LEASE=timedelta(seconds=lease), RENEW_INTERVAL=lease / 3, LOOK_INTERVAL=lease / 4),
    ):
        sys.exit(bootstrap.run(load(Arguments(config_file=home / "jupyterhub_config.py", folder=home))))


@dataclass(frozen=True, slots=True)
class Notebook:
    """A process of a server, as the machine shows it."""

    pid: int
    user: str
    server: str


@dataclass(frozen=True, slots=True)
class Row:
    """A server as it is stored, with how many tokens and OAuth clients it has."""

    user: str
    server: str
    state: str
    spawner_state: dict[str, Any]
    credentials: int

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it should run."""
        return self.state in {"stopped", "failed"}


def eventually(look: Callable[[], T], what: str | Callable[[], str], seconds: float = PATIENCE) -> T:
    """Return the first true answer of *look*; fail if there is none within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(LOOK)
    return found


class ForkedHub:
    """An installation: its folder, its ports, and the hub in it, which is killed and started again."""

    def __init__(self, folder: Path, extra: str = "", *, db_url: str = "", beside: ForkedHub | None = None) -> None:
        """Make the folder of an installation.

        Args:
            folder: an empty one.
            extra: is added to the configuration.
            db_url: the PostgreSQL of the hub; SQLite in the folder if empty.
            beside: the hub whose proxy this one uses.
        """
        self.folder = folder
        self.data = folder / "data"
        self.db_url = db_url
        self.lease = 2.0 if db_url else lifecycle.LEASE.total_seconds()
        self.port, self.hub_port, self.api_port = free_ports(3)
        if beside is not None:
            self.port, self.api_port = beside.port, beside.api_port
            extra += "\nc.Proxy.should_start = False"
        if db_url:
            extra += f"\nc.JupyterHub.db_url = {db_url!r}"
        self.process: BaseProcess | None = None
        self.wish("")
        (folder / "reached").touch()
        (folder / "jupyterhub_config.py").write_text(
            CONFIG.format(
                port=self.port,
                hub_port=self.hub_port,
                api_port=self.api_port,
                data=str(self.data),
                python=sys.executable,
                notebook=fake_notebook.__file__,
                token=OPS_TOKEN,
                extra=extra,
            )
        )
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.hub_port}/hub/api",
            headers={"Authorization": f"token {OPS_TOKEN}"},
            timeout=PATIENCE,
            trust_env=False,
        )

    @property
    def log(self) -> str:
        """What hub and proxy printed."""
        path = self.folder / "hub.log"
        return path.read_text() if path.exists() else ""

    # The hub.

    def start(self, *, may_die: bool = False) -> bool:
        """Start the hub and return whether it says that it runs; only with *may_die* it need not."""
        before = len(self.log)
        self.process = _copier().Process(target=_run, args=(str(self.folder), self.lease))
        self.process.start()

        def settled() -> bool:
            return READY in self.log[before:] or not self.lives

        eventually(settled, lambda: f"the hub runs:\n{self.log[before:]}")
        assert may_die or self.lives, f"the hub ended:\n{self.log[before:]}"
        return self.lives

    @property
    def lives(self) -> bool:
        """Whether the hub's process runs."""
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """Kill the hub, and nothing else, at once."""
        assert self.process is not None
        self.process.kill()
        self.process.join()

    def interrupt(self) -> None:
        """Tell the hub to end, and wait until it has."""
        assert self.process is not None
        self.process.terminate()
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0, self.log[-3000:]

    def wish(self, point: str) -> None:
        """Let the hub die at this point, counted from now on; at none if that is empty. One that dies is gone then."""
        with wishes(self.folder):
            (self.folder / "wish").write_text(f"{point}\n{secrets.token_hex(8)}")
        dies = self.folder / "dies"
        if self.process is not None and dies.exists() and dies.read_text() == str(self.process.pid):
            self.process.join()

    def reached(self) -> list[str]:
        """Return the points that were reached, in order."""
        return (self.folder / "reached").read_text().splitlines()

    def close(self) -> None:
        """Leave nothing running."""
        self.api.close()
        if self.lives:
            self.kill()
        servers = [notebook.pid for notebook in self.notebooks()]
        for pid in [*self.proxies(), *servers, *processes_of_service("", self.hub_port)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # What is there.

    def notebooks(self) -> list[Notebook]:
        """Return all processes of servers of this installation."""
        home = f"HOME={self.data}/homes/".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                lines = (folder / "environ").read_bytes().split(b"\0")
                if any(line.startswith(home) for line in lines) and alive(int(folder.name)):
                    env = dict(line.decode().partition("=")[::2] for line in lines)
                    found.append(Notebook(int(folder.name), env["JUPYTERHUB_USER"], env["JUPYTERHUB_SERVER_NAME"]))
        return found

    def proxies(self) -> list[int]:
        """Return the processes that serve our admin port."""
        flag = f"--api-port\0{self.api_port}\0".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if flag in (folder / "cmdline").read_bytes() and alive(int(folder.name)):
                    found.append(int(folder.name))
        return found

    @property
    def proxy_pid(self) -> int:
        """The process id of the proxy."""
        return int(json.loads((self.data / "jupyterhub-proxy.pid").read_text())["pid"])

    def rows(self) -> dict[tuple[str, str], Row]:
        """Return all servers as they are stored, whether or not the hub runs."""
        query = """
            SELECT users.name, servers.name, servers.state, servers.spawner_state,
                (SELECT count(*) FROM tokens WHERE tokens.server_id = servers.id)
                + (SELECT count(*) FROM oauth_clients WHERE oauth_clients.server_id = servers.id)
            FROM servers JOIN users ON users.id = servers.user_id
        """
        with contextlib.closing(self._database()) as database:
            found = [
                Row(user, name, state, kept if isinstance(kept, dict) else json.loads(kept), held)
                for user, name, state, kept, held in database.execute(query)
            ]
        return {(row.user, row.server): row for row in found}

    def _database(self) -> Any:
        """Return a connection to the store."""
        if self.db_url:
            return psycopg.connect(self.db_url)
        (path,) = [path for path in self.data.glob("*.sqlite*") if path.suffix == ".sqlite"]
        return sqlite3.connect(path, timeout=PATIENCE)

    def routes(self) -> dict[str, str]:
        """Return where the proxy sends what, the hub's own route left out."""
        table = httpx.get(
            f"http://127.0.0.1:{self.api_port}/api/routes",
            headers={"Authorization": "token the-token-of-the-proxy-in-these-tests"},
            timeout=PATIENCE,
            trust_env=False,
        ).json()
        return {path.rstrip("/"): route["target"] for path, route in table.items() if not route.get("hub")}

    def through_the_proxy(self, user: str, server: str) -> dict[str, Any]:
        """Return what answers at a server's address."""
        url = f"http://127.0.0.1:{self.port}/user/{user}/{server}"
        answer = httpx.get(url, timeout=PATIENCE, trust_env=False)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return dict(answer.json())

    def faults(self) -> list[str]:
        """Return in what way machine, proxy and store contradict each other, or are still on their way; [] at rest."""
        try:
            rows, routes = self.rows(), self.routes()
        except httpx.TransportError as error:
            return [f"the proxy is away: {error!r}"]
        running: dict[tuple[str, str], list[int]] = {key: [] for key in rows}
        for notebook in self.notebooks():
            running.setdefault((notebook.user, notebook.server), []).append(notebook.pid)
        wanted = {
            f"/user/{user}/{server}".rstrip("/"): f"http://127.0.0.1:{row.spawner_state.get('port')}"
            for (user, server), row in rows.items()
            if row.state == "ready"
        }
        found = [f"{key} runs as {pids} and is not stored" for key, pids in running.items() if pids and key not in rows]
        found += [f"the proxy has {routes} and should have {wanted}"] if routes != wanted else []
        for key, row in rows.items():
            expected = [row.spawner_state.get("pid")] if row.state == "ready" else []
            if not row.at_rest and row.state != "ready":
                found.append(f"{key} is {row.state}")
            elif running[key] != expected:
                found.append(f"{key} is {row.state}, runs as {running[key]}, should as {expected}")
            elif row.credentials != 2 * len(expected):
                found.append(f"{key} is {row.state} and has {row.credentials} credentials")
        return found + self.overlaps()

    def settle(self) -> None:
        """Return once nothing contradicts anything; fail if that takes long."""
        eventually(lambda: not self.faults(), lambda: f"{self.faults()}\n{self.log[-5000:]}")

    def strays(self) -> list[str]:
        """Return what hubs said about processes that they found and that no server in the store had started."""
        return [line for line in self.log.splitlines() if f"drift={Drift.STRAY}" in line]

    def overlaps(self) -> list[str]:
        """Return the complaints of servers that were not the only process of theirs."""
        return [path.read_text() for path in self.data.glob("homes/*/overlap-*")]

    # What people do.

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Return the hub's answer, whatever it is; None if the hub died over the request."""
        try:
            return self.api.request(method, path, **options)
        except httpx.TransportError:
            eventually(lambda: not self.lives, "the hub did not answer, so it is dead")
            return None

    def call(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Do as `ask`; fail if the answer is an error."""
        answer = self.ask(method, path, **options)
        assert answer is None or answer.is_success, f"{method} {path}: {answer} {answer.text}\n{self.log[-3000:]}"
        return answer


@contextlib.contextmanager
def forked_hub(folder: Path, extra: str = "", **options: Any) -> Iterator[ForkedHub]:
    """Yield an installation whose hub is not started yet; nothing of it runs after the block."""
    hub = ForkedHub(folder, extra, **options)
    try:
        yield hub
    finally:
        hub.close()
