"""A real hub as its users run it: the `perijove` command in a process of its own, with its proxy and servers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from perijove.hub.adapters.spawners import cgroups

T = TypeVar("T")
PERIJOVE = Path(sys.executable).with_name("perijove")
START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOOK = 0.05
OPS_TOKEN = "a-token-of-at-least-thirty-two-characters"

BASE_CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
"""
"""Where a hub listens, and that whoever comes is let in: the beginning of every configuration here."""

UPSTREAM_CONFIG = (
    BASE_CONFIG
    + """
c.JupyterHub.cleanup_servers = False
c.Authenticator.admin_users = {{"admin"}}
c.Spawner.args = ["--allow-root"]
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.services = [{{"name": "ops", "api_token": "a-token-of-at-least-thirty-two-characters"}}]
c.JupyterHub.load_roles = [{{
    "name": "ops",
    "services": ["ops"],
    "scopes": ["admin:users", "admin:servers", "list:users", "tokens", "access:servers", "read:hub"],
}}]
"""
)


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def eventually(look: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return the first true answer of *look*; fail if there is none within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(LOOK)
    return found


def processes_of_service(name: str, hub_port: int) -> list[int]:
    """Return the processes of a service, of all services if *name* is empty, that hubs with that port started."""
    variables = {f"JUPYTERHUB_SERVICE_NAME={name}".encode(), f":{hub_port}/hub/api".encode()}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes()
            if all(variable in environment for variable in variables) and alive(int(folder.name)):
                found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    """Say whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def control_groups_of(pids: Iterable[int]) -> set[Path]:
    """Return the control groups of servers that these processes are in."""
    names = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            names |= {Path(line).name for line in lines if Path(line).name.startswith(cgroups.PREFIX)}
    folders = {place.folder for place in cgroups.places().values()}
    return {folder / name for folder in folders for name in names - {cgroups.OWN_LEAF}}


def removed(group: Path) -> bool:
    """Remove a control group; say whether it is gone."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


class RunningHub:
    """One installation: its folder, ports and processes; the hub in it can be killed and started again."""

    def __init__(self, folder: Path, *, config: str = "", command: list[str] | None = None) -> None:
        self.folder = folder
        self.port, self.hub_port, self.api_port = free_ports(3)
        self.config = config.format(port=self.port, hub_port=self.hub_port, api_port=self.api_port) if config else ""
        self.command = command or [str(PERIJOVE)]
        self.pass_flags: Callable[[list[str]], list[str]] = list
        self.start_seconds = START_SECONDS
        self.ready_line = "Press Ctrl-C to stop it"
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = folder / "hub.log"
        self.data = folder if config else folder / "data"
        if config:
            (folder / "jupyterhub_config.py").write_text(self.config)

    @property
    def url(self) -> str:
        """Where browsers reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The REST API, through the proxy."""
        return f"{self.url}/hub/api"

    @property
    def log(self) -> str:
        """Everything that hub and proxy printed so far."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def arguments(self) -> list[str]:
        """The flags of the command."""
        if self.config:
            return ["-f", "jupyterhub_config.py"]
        return [
            f"--port={self.port}",
            f"--JupyterHub.hub_port={self.hub_port}",
            f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{self.api_port}",
        ]

    def start(self) -> str:
        """Start the hub and return what it printed until it was ready."""
        before = len(self.log)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "PERIJOVE"))}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *self.pass_flags(self.arguments)],
                cwd=self.folder,
                env=env | {"PERIJOVE_DATA_DIR": str(self.data), "HOME": str(self.folder)},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the hub ended:\n{self.log[before:]}"
            return self.ready_line in self.log[before:]

        eventually(ready, "the hub says that it runs", self.start_seconds)
        return self.log[before:]

    @property
    def hub_pid(self) -> int:
        """The hub's own process, which the command forked; fails while it is away."""
        assert self.process is not None
        (pid,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(pid)

    def kill(self) -> None:
        """Kill the command, and thereby the hub, but nothing else; nothing starts it again."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        hubs = [int(pid) for pid in children if self.command == [str(PERIJOVE)]]
        self.process.kill()
        self.process.wait()
        eventually(lambda: not any(map(alive, hubs)), "the hub dies with the command")

    def stop(self) -> int:
        """Press Ctrl-C, which reaches the whole process group, and return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()

    def close(self) -> None:
        """Leave nothing running of what this hub, or an earlier process of it, started."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        pids = [*self.proxies(), *self.pids_with(f"{self.data}/homes/"), *self.processes_of_service("")]
        groups = control_groups_of(pids)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: all(map(removed, groups)), "control groups of servers are removed")

    def proxies(self) -> list[int]:
        """Return the processes that serve our admin port: upstream's hub may start one more while it stops."""
        flag = f"--api-port\0{self.api_port}\0".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if flag in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def processes_of_service(self, name: str) -> list[int]:
        """Return the processes of a service that a hub of this installation started."""
        return processes_of_service(name, self.hub_port)

    @property
    def proxy_pid(self) -> int:
        """The process id of the proxy."""
        return int(json.loads((self.data / "jupyterhub-proxy.pid").read_text())["pid"])

    @staticmethod
    def pids_with(home: str) -> list[int]:
        """Return the processes whose HOME starts with *home*: servers and their kernels."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"HOME={home}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def setup_link(self) -> str:
        """Return the link that makes the first administrator, as the last start printed it."""
        links = re.findall(r"http://\S+/hub/setup\?code=\S+", self.log)
        assert links, f"no link was printed:\n{self.log}"
        return str(links[-1])

    def client(self, token: str) -> httpx.Client:
        """Return a client of the REST API that shows *token*."""
        headers = {"Authorization": f"token {token}"}
        return httpx.Client(base_url=self.api, headers=headers, timeout=60, trust_env=False)


@contextlib.contextmanager
def installations(folders: pytest.TempPathFactory) -> Iterator[Callable[..., RunningHub]]:
    """Yield what makes installations, each in a folder of its own; nothing of them runs after the block."""
    hubs: list[RunningHub] = []

    def make(**options: Any) -> RunningHub:
        hub = RunningHub(folders.mktemp("hub"), **options)
        hubs.append(hub)
        return hub

    try:
        yield make
    finally:
        for hub in hubs:
            hub.close()


def server_sent_events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the data of each event of a stream."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
