"""Hubs that start real servers, each with the proxy it comes with; and Jupyter Server without any hub."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub_databases import SqliteDatabase
from hub_programs import JUPYTERHUB, Hub, await_answer, jupyterhub_folder, perijove_folder
from processes import CannotMeasure, cpu_seconds, family, free_port, private, proportional, running
from proxies import USABLE, chp_program

EXECUTED = "Perijove, executed"
"""Our hub without the process that servers are copied from."""
PLAIN = "jupyter_server"
HERE = Path(__file__).resolve().parent
STOP_SECONDS = 120.0
QUIET = 0.02
"""Processor seconds that programs may take in half a second while they count as idle."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the processes of one server take, in bytes."""

    proportional: float
    private: float


def hub_program(name: str) -> list[str]:
    """The command that starts a hub."""
    config = ["-f", str(HERE / "server_config.py")]
    if name == JUPYTERHUB:
        return [str(jupyterhub_folder() / "jupyterhub"), *config]
    return [str(perijove_folder() / "perijove"), *config]


@contextmanager
def serving(name: str, folder: Path, *, seconds: int | None = None) -> Iterator[Hub]:
    """Run a hub that starts servers, on all processors, until it is idle; at the end nothing of it is left.

    *seconds* is the limit for a start and for the first answer, where the hub's own is not to count.
    Raises CannotMeasure, with what the hub printed.
    """
    place = Path(folder, f"{name.replace(' ', '-')}-{secrets.token_hex(4)}")
    (place / "homes").mkdir(parents=True)
    database = SqliteDatabase(place / "hub.sqlite")
    port, public, token = free_port(), free_port(), secrets.token_hex(20)
    programs = [str(perijove_folder())]
    flags = [f"--JupyterHub.data_dir={place}"]
    if name == JUPYTERHUB:
        programs = [str(jupyterhub_folder()), str(Path(chp_program()).parent)]
        flags = [f"--JupyterHub.cookie_secret_file={place / 'cookie_secret'}"]
    env = {
        "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        "BENCH_PUBLIC": f"http://127.0.0.1:{public}",
        "BENCH_PROXY": f"http://127.0.0.1:{free_port()}",
        "BENCH_PORT": str(port),
        "BENCH_DATABASE": database.url,
        "BENCH_HOMES": str(place / "homes"),
        "BENCH_TOKEN": token,
        "CONFIGPROXY_AUTH_TOKEN": token,
        **({"BENCH_TIMEOUT": str(seconds)} if seconds else {}),
        **({"BENCH_EXECUTED": "1"} if name == EXECUTED else {}),
    }
    log, begin = place / "hub.log", time.perf_counter()
    with running_wholly([*hub_program(name), *flags], log, env) as process:
        await_answer(port, process, log, "/hub/api")
        settle(process.pid)
        started = time.perf_counter() - begin
        yield Hub(name, port, public, process, token, started, database, place / "polled", log)


@contextmanager
def plain_server(folder: Path) -> Iterator[tuple[int, str]]:
    """Run Jupyter Server as it is, with no hub; yields its port and its token."""
    port, token = free_port(), secrets.token_hex(20)
    home = folder / f"plain-{port}"
    home.mkdir()
    command = [str(jupyterhub_folder() / "jupyter-server"), "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={home}", "--ServerApp.open_browser=False"]
    command += ["--allow-root", "--log-level=ERROR"]
    env = {"JUPYTER_TOKEN": token, "HOME": str(home), "PATH": f"{jupyterhub_folder()}{os.pathsep}{os.environ['PATH']}"}
    log = folder / f"plain-{port}.log"
    with running_wholly(command, log, env) as process:
        await_answer(port, process, log, "/api")
        yield port, token


@contextmanager
def running_wholly(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* on all processors; end it at the end, and whatever it has left behind."""
    below: dict[int, str] = {}
    try:
        with running(command, log, env, set(USABLE), STOP_SECONDS) as process:
            try:
                yield process
            finally:
                below = {pid: begun for pid in family(process.pid) if (begun := _begun(pid))}
    finally:
        for pid, begun in below.items():
            if _begun(pid) == begun:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _begun(pid: int) -> str:
    """When *pid* began, which no later process of the same number shares; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def settle(pid: int, seconds: float = 60.0) -> None:
    """Wait until *pid* and the processes below it are idle. Raises CannotMeasure if they never are."""
    until, before = time.monotonic() + seconds, cpu_seconds(pid)
    quiet = 0
    while time.monotonic() < until:
        time.sleep(0.5)
        now = cpu_seconds(pid)
        quiet = quiet + 1 if now - before <= QUIET else 0
        before = now
        if quiet == 2:
            return
    raise CannotMeasure("it never came to rest")


def memory_of_servers(hub: Hub) -> tuple[dict[str, Memory], Memory]:
    """What the processes of each user's server take, and what all others below the hub that servers are copied from."""
    servers: dict[str, list[int]] = {}
    launchers: list[int] = []
    for pid in family(hub.pid):
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        user = next((each[15:].decode() for each in environment if each.startswith(b"JUPYTERHUB_USER=")), "")
        if user:
            servers.setdefault(user, []).append(pid)
        elif b"perijove.singleuser.launcher" in Path(f"/proc/{pid}/cmdline").read_bytes():
            launchers.append(pid)
    return {user: _memory(pids) for user, pids in servers.items()}, _memory(launchers)


def _memory(pids: list[int]) -> Memory:
    return Memory(sum(map(proportional, pids)), sum(map(private, pids)))
