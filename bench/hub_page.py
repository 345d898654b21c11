"""The page of the hub: its topics, and what they are measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import hub_load
from hub_databases import (
    POSTGRESQL,
    SQLITE,
    Cluster,
    Database,
    PostgresDatabase,
    SqliteDatabase,
    postgres,
    postgres_version,
)
from hub_load import Stalls
from hub_programs import JUPYTERHUB, Hub, Installation, backend, jupyterhub_folder, seed, versions
from pages import Page
from processes import CannotMeasure
from proxies import PERIJOVE, processors
from table import Aim, Figure, Result, in_turns

USERS = 5000
SOME_USERS = 500
"""How many the peer is asked to create: 5,000 take it minutes."""
RUNNING = range(0, USERS, 10)
REPORTING = range(0, USERS, 5)


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled database of one hub, and the token of each server in it by the path to which it reports."""

    database: Database
    reporters: Mapping[str, str]


@dataclass(slots=True)
class Setup:
    """Who is compared on which databases."""

    installation: Installation
    names: list[str]
    left_out: list[str]
    cluster: Cluster | None
    made: int = 0
    filled: dict[tuple[str, str, int], Filled] = field(default_factory=dict)

    def versions(self) -> list[str]:
        found = versions(self.names)
        return [*found, f"PostgreSQL {postgres_version()}"] if self.cluster else found

    def empty(self, kind: str) -> Database:
        """A new database."""
        self.made += 1
        name = f"hub{self.made}"
        if kind == SQLITE:
            return SqliteDatabase(self.installation.folder / f"{name}.sqlite")
        assert self.cluster is not None
        self.cluster.sql(f"CREATE DATABASE {name}")
        return PostgresDatabase(self.cluster, name)

    def with_users(self, name: str, kind: str, running: Sequence[int]) -> Filled:
        """A database with 5,000 users; filled once for all topics."""
        key = name, kind, len(running)
        if key not in self.filled:
            database = self.empty(kind)
            with self.installation.start(name, database):
                pass
            reporters = seed(name, database, self.installation.backend, USERS, running)
            self.filled[key] = Filled(database, reporters)
        return self.filled[key]

    @contextmanager
    def hubs(self, kind: str, running: Sequence[int]) -> Iterator[dict[str, Hub]]:
        """All hubs at work, each on its filled database."""
        with ExitStack() as stack:
            yield {
                name: stack.enter_context(self.installation.start(name, self.with_users(name, kind, running).database))
                for name in self.names
            }

    def on_each(self, topic: str, measure: Callable[[str], list[Figure]]) -> Result:
        """What *measure* finds on each kind of database."""
        whole = Result()
        for kind in (SQLITE, POSTGRESQL) if self.cluster else (SQLITE,):
            try:
                whole.figures += measure(kind)
            except CannotMeasure as error:
                whole.remarks.append(f"{topic} was not measured on {kind}: {error}.")
        return whole

    def create(self) -> Result:
        def measure(kind: str) -> list[Figure]:
            watch = Stalls()

            def once(name: str) -> float:
                count = USERS if name == PERIJOVE else SOME_USERS
                with self.installation.start(name, self.empty(kind)) as hub, watch.watched({name: hub}):
                    return hub_load.create(hub, count) * 1000 / count

            seen = {name: [median(once(name) for _ in range(3 if name == PERIJOVE else 1))] for name in self.names}
            aims = (Aim(1 / 20, JUPYTERHUB, at_least=False),)
            title = f"{kind}: create {USERS:,} users by one request ({JUPYTERHUB}: {SOME_USERS}), each"
            return [
                Figure("create", title, "ms", seen, False, aims),
                watch.figure("create", f"{kind}: meanwhile"),
            ]

        return self.on_each("create", measure)

    def start(self) -> Result:
        def measure(kind: str) -> list[Figure]:
            filled = {name: self.with_users(name, kind, RUNNING).database for name in self.names}
            watch = Stalls()

            def once(name: str) -> float:
                with self.installation.start(name, filled[name]) as hub:
                    watch.since_start(hub)
                    return hub.started

            seen = in_turns({name: name for name in self.names}, once, 3)
            title = f"{kind}: start with {USERS:,} users, {len(RUNNING)} servers running, until the API answers"
            return [
                Figure("start", title, "s", seen, False, (Aim(1 / 5, JUPYTERHUB, at_least=False),)),
                watch.figure("start", f"{kind}: until then"),
            ]

        return self.on_each("start", measure)

    def requests(self) -> Result:
        def measure(kind: str) -> list[Figure]:
            with self.hubs(kind, RUNNING) as hubs:
                return hub_load.requests(kind, hubs)

        return self.on_each("requests", measure)

    def reports(self) -> Result:
        def measure(kind: str) -> list[Figure]:
            with self.hubs(kind, REPORTING) as hubs:
                reporters = {name: self.with_users(name, kind, REPORTING).reporters for name in hubs}
                return hub_load.reports(kind, hubs, reporters, self.installation.folder)

        return self.on_each("reports", measure)


@contextmanager
def open_setup(folder: Path) -> Iterator[Setup]:
    """Install the peer, start PostgreSQL. What cannot be had is left out."""
    names, left_out = [PERIJOVE], []
    try:
        jupyterhub_folder()
        names.append(JUPYTERHUB)
    except (CannotMeasure, OSError) as error:
        left_out.append(f"{JUPYTERHUB} was left out: {error}.")
    hub, others = processors()
    with ExitStack() as stack:
        cluster = None
        try:
            cluster = stack.enter_context(postgres(folder, others))
        except (CannotMeasure, OSError) as error:
            left_out.append(f"{POSTGRESQL} was left out: {error}.")
        installation = Installation(folder, stack.enter_context(backend()), hub, others)
        yield Setup(installation, names, left_out, cluster)


HUB = Page(
    "hub",
    "The hub beside its peer",
    (JUPYTERHUB,),
    {"requests": Setup.requests, "create": Setup.create, "reports": Setup.reports, "start": Setup.start},
    open_setup,
    {"wrk": "wrk", "psql": "postgresql"},
)
