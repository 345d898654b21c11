"""The hubs compared: where each comes from, how it is started, and what it says of itself."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import platform
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from environments import environment
from hub_databases import Database
from processes import CannotMeasure, await_port, free_port, running, version_of
from proxies import PERIJOVE

import perijove

JUPYTERHUB = "JupyterHub"
HERE = Path(__file__).resolve().parent
PACKAGES = ("jupyterhub==6.1.1", "psycopg[binary]", "jupyterlab", "notebook")
PINS = (HERE.parent / "constraints.txt", HERE.parent / "pyproject.toml")
"""What we are installed with: of all that both use, both have the same version."""
START_SECONDS = 120.0
STALL = 0.05
INTERVALS = "jupyterhub_event_loop_interval_seconds"


@dataclass(slots=True)
class Hub:
    """A hub at work.

    Attributes:
        name: which program it is.
        port: where it listens; nothing stands between it and whoever measures.
        public: where its proxy listens.
        process: the hub itself.
        token: of a service that may do everything that is measured.
        started: seconds from exec to the first answer.
        database: what it writes to.
        polled: the names of the recorded servers that it has asked after, a line each.
        log: what it prints.
    """

    name: str
    port: int
    public: int
    process: subprocess.Popen[bytes]
    token: str
    started: float
    database: Database
    polled: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, method: str, path: str, body: object = None, seconds: float = 300.0) -> bytes:
        """The body of a successful answer. Raises CannotMeasure for any other."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise CannotMeasure(f"{self.name}: {method} {path} was answered with {answer.status}: {text[:200]!r}")
        return text

    def intervals(self) -> dict[float, int]:
        """How often its event loop came back within so many seconds, by its own metric."""
        found: dict[float, int] = {}
        for line in self.ask("GET", "/hub/metrics").decode().splitlines():
            if line.startswith(f"{INTERVALS}_bucket"):
                limit, _, count = line.partition('le="')[2].partition('"} ')
                found[float(limit)] = int(float(count))
        return found


def stalls(before: Mapping[float, int], after: Mapping[float, int]) -> tuple[int, float]:
    """How many stalls of more than 50 ms there were between two looks, and a time that the longest was not above."""
    grown = {limit: after[limit] - before.get(limit, 0) for limit in sorted(after)}
    total, within = grown[float("inf")], max((count for limit, count in grown.items() if limit <= STALL), default=0)
    longest = next(limit for limit, count in grown.items() if count == total)
    return total - within, longest


class _Answers(asyncio.Protocol):
    """Answers every request head alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        *whole, self._seen = (self._seen + data).split(b"\r\n\r\n")
        for _ in whole:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@contextmanager
def backend() -> Iterator[str]:
    """Answer for every server that is only recorded; yields its URL."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Answers, "127.0.0.1", 0, backlog=4096))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


@cache
def jupyterhub_folder() -> Path:
    """Where JupyterHub's programs are, installed from the package index. Raises CannotMeasure."""
    return environment("jupyterhub", *PACKAGES, pins=PINS)


@cache
def perijove_folder() -> Path:
    """Where our programs are, installed as an operator has them: without what only tests need. Raises CannotMeasure."""
    folder = environment("perijove", f"--editable={HERE.parent}[postgresql]", "notebook", pins=PINS)
    # As pip does with all that it copies: Python itself may be told not to (PYTHONDONTWRITEBYTECODE).
    compiled = subprocess.run([folder / "python", "-m", "compileall", "-q", HERE.parent / "src"], check=False)
    if compiled.returncode:
        raise CannotMeasure("our own code could not be compiled")
    return folder


@dataclass(frozen=True, slots=True)
class Carrier:
    """The ports of a proxy: of everybody, and of its admin API."""

    public: int
    api: int


@dataclass(frozen=True, slots=True)
class Installation:
    """What a hub is started with: the same for all of them.

    Attributes:
        folder: for logs and the hubs' own files.
        backend: URL of what answers for the servers.
        processors: those that the hub has.
        others: those that everything else has.
        token: of the service that asks.
        config: the configuration file, of those beside this one.
    """

    folder: Path
    backend: str
    processors: set[int]
    others: set[int]
    token: str = field(default_factory=lambda: secrets.token_hex(20))
    config: str = "hub_config.py"

    @contextmanager
    def proxy(self) -> Iterator[Carrier]:
        """Run a proxy that hubs find there."""
        carrier = Carrier(free_port(), free_port())
        flags = ["--ip", "127.0.0.1", "--port", str(carrier.public)]
        flags += ["--api-ip", "127.0.0.1", "--api-port", str(carrier.api)]
        command = [sys.executable, "-m", "perijove.proxy", *flags, "--log-level", "error"]
        log = self.folder / f"proxy-{carrier.public}.log"
        with running(command, log, {"CONFIGPROXY_AUTH_TOKEN": self.token}, self.others) as process:
            await_port(carrier.api, process)
            yield carrier

    @contextmanager
    def start(
        self, name: str, database: Database, *, carrier: Carrier | None = None, page: str = "/hub/api"
    ) -> Iterator[Hub]:
        """Run a hub with a proxy that is there already, one of its own if none is given; until it answers *page*.

        Raises CannotMeasure, with what the hub printed.
        """
        place = Path(self.folder, f"{name}-{secrets.token_hex(4)}")
        place.mkdir()
        polled = place / "polled"
        polled.touch()
        with ExitStack() as stack:
            used = carrier or stack.enter_context(self.proxy())
            port = free_port()
            env = {
                "BENCH_PUBLIC": f"http://127.0.0.1:{used.public}",
                "BENCH_PROXY": f"http://127.0.0.1:{used.api}",
                "BENCH_PORT": str(port),
                "BENCH_DATABASE": database.url,
                "BENCH_TOKEN": self.token,
                "BENCH_BACKEND": self.backend,
                "BENCH_POLLED": str(polled),
                "CONFIGPROXY_AUTH_TOKEN": self.token,
            }
            log = place / "hub.log"
            begin = time.perf_counter()
            command = self._command(name, self._kept(name, database))
            process = stack.enter_context(running(command, log, env, self.processors))
            await_answer(port, process, log, page)
            started = time.perf_counter() - begin
            yield Hub(name, port, used.public, process, self.token, started, database, polled, log)

    def _kept(self, name: str, database: Database) -> Path:
        """Return the folder of a hub's own files, which it has again when it is started with the same database."""
        place = Path(self.folder, f"{name}-{hashlib.sha256(database.url.encode()).hexdigest()[:16]}")
        place.mkdir(exist_ok=True)
        return place

    def _command(self, name: str, place: Path) -> list[str]:
        config = ["-f", str(HERE / self.config)]
        if name == PERIJOVE:
            return [str(perijove_folder() / "perijove"), *config, f"--JupyterHub.data_dir={place}"]
        secret = f"--JupyterHub.cookie_secret_file={place / 'cookie_secret'}"
        return [str(jupyterhub_folder() / "jupyterhub"), *config, secret]


def await_answer(port: int, process: subprocess.Popen[bytes], log: Path, page: str) -> None:
    """Wait until a hub answers *page* with 200. Raises CannotMeasure, with what the hub printed."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", page)
            if connection.getresponse().status == 200:
                return
        except ConnectionError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise CannotMeasure(f"it did not start: {' '.join(log.read_text().split())[-300:]}")


def seed(name: str, database: Database, backend_url: str, users: int, running_servers: Sequence[int]) -> dict[str, str]:
    """Fill an empty database, of which the hub was started once, with *users* users, some with a server that runs.

    Returns the path and the token with which each of these servers reports activity.
    """
    tokens = {f"u{number}": secrets.token_hex(16) for number in running_servers}
    order = {"url": database.url, "backend": backend_url, "users": users, "tokens": tokens}
    python = (perijove_folder() if name == PERIJOVE else jupyterhub_folder()) / "python"
    script = HERE / ("hub_seed.py" if name == PERIJOVE else "hub_seed_jupyterhub.py")
    done = subprocess.run(
        [str(python), str(script)], input=json.dumps(order), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(f"{name}'s database could not be filled: {done.stderr.strip()[-300:]}")
    database.settle()
    return {f"/hub/api/users/{user}/activity": token for user, token in tokens.items()}


def versions(names: Sequence[str]) -> list[str]:
    """The version of each hub, by name."""
    found = [f"{PERIJOVE} {perijove.__version__} (Python {platform.python_version()}, uvloop {version('uvloop')})"]
    if JUPYTERHUB in names:
        found.append(f"{JUPYTERHUB} {version_of([str(jupyterhub_folder() / 'jupyterhub'), '--version'])}")
    return found
