"""The databases that both hubs are measured on, and how many transactions wrote to them."""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from processes import CannotMeasure, await_port, free_port, running, version_of

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
ROLE = "bench"


class Database(Protocol):
    """An empty database for one hub, or one filled with rows."""

    @property
    def url(self) -> str:
        """As ``c.JupyterHub.db_url`` takes it."""

    def writes(self) -> int:
        """How many transactions have written to it; only differences mean something."""

    def settle(self) -> None:
        """Let the database get to know what was written."""


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A file."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def writes(self) -> int:
        """Both counters are part of the file format: one for write-ahead logs, one for databases without."""
        index = self.path.with_name(f"{self.path.name}-shm")
        if index.exists():
            return int(struct.unpack("=I", index.read_bytes()[8:12])[0])
        return int(struct.unpack(">I", self.path.read_bytes()[24:28])[0])

    def settle(self) -> None:
        pass


@dataclass(slots=True)
class Cluster:
    """A PostgreSQL of our own."""

    port: int
    made: set[str] = field(default_factory=set)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for *text*. Raises CannotMeasure."""
        url = f"postgresql://{ROLE}:{ROLE}@127.0.0.1:{self.port}/{database}"
        done = subprocess.run(["psql", "-XAtqc", text, url], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of a cluster."""

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}:{ROLE}@127.0.0.1:{self.cluster.port}/{self.name}"

    def writes(self) -> int:
        """Transactions are numbered when they write first."""
        return int(self.cluster.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())"))

    def settle(self) -> None:
        self.cluster.sql("VACUUM ANALYZE", self.name)


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs. Raises CannotMeasure."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not shutil.which("psql"):
        raise CannotMeasure("PostgreSQL is not installed")
    return folders[-1]


@contextmanager
def postgres(folder: Path, processors: set[int]) -> Iterator[Cluster]:
    """Run a PostgreSQL of our own, as nobody if we are root, on loopback. Raises CannotMeasure."""
    programs, port = postgres_programs(), free_port()
    # Beside *folder*, which only we may enter.
    home = Path(tempfile.mkdtemp(prefix="perijove-bench-postgresql-"))
    other: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(home, user.pw_uid, user.pw_gid)
        other = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    try:
        password = home / "password"
        password.write_text(ROLE)
        password.chmod(0o644)
        made = [str(programs / "initdb"), "-D", str(home / "data"), "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8"]
        made += ["-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
        done = subprocess.run([*other, *made], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"initdb: {done.stderr.strip()}")
        command = [str(programs / "postgres"), "-D", str(home / "data"), "-k", str(home), "-p", str(port)]
        # Its own housekeeping would be counted with the hubs' writing.
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "autovacuum=off"]
        with running([*other, *command], folder / "postgresql.log", processors=processors) as process:
            await_port(port, process)
            cluster = Cluster(port)
            cluster.sql("SELECT 1")
            yield cluster
    finally:
        shutil.rmtree(home, ignore_errors=True)


def postgres_version() -> str:
    return version_of([str(postgres_programs() / "postgres"), "--version"], 2)
