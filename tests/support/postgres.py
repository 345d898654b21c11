"""A real PostgreSQL for tests: Debian's, run as nobody where we are root, on loopback, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

ROLE = "hub"
PATIENCE = 60.0


@dataclass(slots=True)
class Cluster:
    """A server with empty databases to be had."""

    programs: Path
    home: Path
    port: int
    other_user: list[str]
    process: subprocess.Popen[bytes] | None = None
    made: list[str] = field(default_factory=list)
    template: str = "template1"

    def url(self, name: str) -> str:
        """The address of a database, as ``c.JupyterHub.db_url`` takes it."""
        return f"postgresql://{ROLE}:{ROLE}@127.0.0.1:{self.port}/{name}"

    def database(self, template: str = "template1") -> str:
        """Make a database, empty or a copy of the one called *template*; return its address."""
        name = f"hub{len(self.made)}"
        self.made.append(name)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url(name)

    def start(self) -> None:
        """Run the server and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.home / "data"), "-k", str(self.home)]
        command += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        deadline = time.monotonic() + PATIENCE
        while True:
            if self.process is None or self.process.poll() is not None:
                # After a kill it refuses to run until the last process of the one before is gone.
                with (self.home / "log").open("ab") as log:
                    self.process = subprocess.Popen([*self.other_user, *command], stdout=log, stderr=log)
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.home / "log").read_text()
                time.sleep(0.05)

    def kill(self) -> None:
        """End the server and everything it started, as a machine that loses its power would."""
        assert self.process is not None
        # Stopped, it begins no more of them meanwhile.
        self.process.send_signal(signal.SIGSTOP)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End the server, if it runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None


@contextmanager
def postgres() -> Iterator[Cluster]:
    """Run a PostgreSQL of our own; the test is skipped where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    # Not in a folder that only we may enter.
    home = Path(tempfile.mkdtemp(prefix="perijove-postgresql-", dir="/tmp"))
    other_user: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        other_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    password = home / "password"
    password.write_text(ROLE)
    password.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cluster = Cluster(folders[-1], home, port, other_user)
    try:
        made = [str(folders[-1] / "initdb"), "-D", str(home / "data"), "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8"]
        made += ["-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
        subprocess.run([*other_user, *made], check=True, stdout=subprocess.DEVNULL)
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)
