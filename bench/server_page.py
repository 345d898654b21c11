"""The page of servers: how soon they and their kernels are there, what they take, and what a hub's restart does."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import server_load
from hub_databases import SqliteDatabase
from hub_programs import (
    JUPYTERHUB,
    Carrier,
    Hub,
    Installation,
    await_answer,
    backend,
    jupyterhub_folder,
    seed,
    versions,
)
from pages import Page
from processes import CannotMeasure, cpu_seconds, family, proportional
from proxies import PERIJOVE, USABLE, chp_program, processors
from server_programs import EXECUTED, PLAIN, memory_of_servers, plain_server, serving, settle
from table import Aim, Figure, Result, in_turns

MEGABYTE = 1e6
TRIES = 10
TOGETHER = 30
ROUNDS_TOGETHER = 3
LENIENT = 600
"""Seconds for a start, where the hub's own limit is not to count."""
IDLE_SERVERS = 20
RUNNING = 1000
RESTARTS = 3
CHECKED_SECONDS = 300.0
CONCURRENT = 2 * len(USABLE)
"""How many local servers our hub starts at a time."""
TENTH = Aim(1 / 10, JUPYTERHUB, at_least=False, words="≤ 1/10 × JupyterHub")


@dataclass(frozen=True, slots=True)
class Rush:
    """What became of servers that were asked for at once.

    Attributes:
        ready: for each, in the order of the requests, the seconds until it answered; None if it was lost.
        cost: processor seconds of all that.
    """

    ready: Sequence[float | None]
    cost: float

    @property
    def there(self) -> int:
        """How many were not lost."""
        return len(self._seconds)

    @property
    def _seconds(self) -> list[float]:
        return [seconds for seconds in self.ready if seconds is not None]

    @property
    def first(self) -> float:
        return min(self._seconds)

    @property
    def last(self) -> float:
        return max(self._seconds)

    @property
    def overtaken(self) -> int:
        """By how many that were asked for later anybody was overtaken at most."""
        seen = self._seconds
        return max(sum(later < mine for later in seen[place:]) for place, mine in enumerate(seen))


def _medians(rushes: Mapping[str, Sequence[Rush]], what: str) -> dict[str, list[float]]:
    return {name: [median(getattr(rush, what) for rush in seen)] for name, seen in rushes.items()}


@dataclass(slots=True)
class Setup:
    """Who is compared."""

    folder: Path
    names: list[str]
    left_out: list[str]

    @property
    def hubs(self) -> list[str]:
        """Those of the names that are hubs."""
        return [name for name in self.names if name != PLAIN]

    def versions(self) -> list[str]:
        parts = [f"{name} {version(name)}" for name in ("jupyterlab", "notebook", "jupyter_server", "ipykernel")]
        return [*versions(self.names), f"both with {', '.join(parts)}"]

    @contextmanager
    def serving(self) -> Iterator[dict[str, Hub]]:
        """All hubs at once."""
        with ExitStack() as stack:
            yield {name: stack.enter_context(serving(name, self.folder)) for name in self.hubs}

    def one(self) -> Result:
        """One user's server after the other."""
        with self.serving() as hubs:
            users = [f"u{number}" for number in range(TRIES + 1)]
            for hub in hubs.values():
                server_load.create_users(hub, users)
            left = {name: list(users) for name in hubs}

            def once(hub: Hub) -> tuple[float, float]:
                user = left[hub.name].pop()
                before = cpu_seconds(hub.pid)
                seconds = server_load.start(hub, user)
                spent = cpu_seconds(hub.pid) - before
                server_load.stop(hub, [user])
                return seconds, spent

            in_turns(hubs, once, 1)
            seen = in_turns(hubs, once, TRIES)
        title = "one user: request until the server answers through the proxy"
        aims = (TENTH, Aim(0.5, at_least=False))
        return Result(
            [
                Figure("one", title, "s", {name: [each for each, _ in seen[name]] for name in seen}, False, aims),
                Figure(
                    "one",
                    "the same by its cost: the hub, its proxy and the server",
                    "CPU s",
                    {name: [each for _, each in seen[name]] for name in seen},
                    False,
                ),
            ]
        )

    def together(self) -> Result:
        """Many servers at once."""
        # The peer takes a minute or two, so it has one turn.
        seen = {
            name: [self._rush(name) for _ in range(ROUNDS_TOGETHER if name == PERIJOVE else 1)] for name in self.hubs
        }
        there = {name: [min(rush.there for rush in rushes)] for name, rushes in seen.items()}
        if JUPYTERHUB in seen:
            seen[JUPYTERHUB] = [self._rush(JUPYTERHUB, LENIENT)]
        whole = {name: rushes for name, rushes in seen.items() if all(rush.there == TOGETHER for rush in rushes)}
        order = {name: [max(rush.overtaken for rush in rushes)] for name, rushes in whole.items()}
        title = f"{TOGETHER} users at once"
        return Result(
            [
                Figure(
                    "together",
                    f"{title}: ready, each hub as installed",
                    "servers",
                    there,
                    aims=(Aim(TOGETHER, words="all"),),
                ),
                Figure("together", f"{title}: the last one ready", "s", _medians(whole, "last"), False, (TENTH,)),
                Figure("together", f"{title}: the first one ready", "s", _medians(whole, "first"), False),
                Figure("together", f"{title}: what that costs", "CPU s", _medians(whole, "cost"), False),
                Figure(
                    "together",
                    f"{title}: by how many later ones anybody was overtaken at most",
                    "servers",
                    order,
                    False,
                    (Aim(CONCURRENT - 1, at_least=False),),
                ),
            ],
            [
                f"{title}: in all rows but the first, JupyterHub has {LENIENT} s for a start and for the first "
                f"answer, where it has 60 s and 30 s as installed. {CONCURRENT} of ours start at a time, in order."
            ],
        )

    def _rush(self, name: str, limit: int | None = None) -> Rush:
        users = [f"u{number}" for number in range(TOGETHER)]
        with serving(name, self.folder, seconds=limit) as hub:
            server_load.create_users(hub, users)
            # Whoever asks first is looked up; the order of the others must not depend on that.
            hub.ask("GET", "/hub/api/user")
            before = cpu_seconds(hub.pid)
            ready = server_load.start_together(hub, users)
            cost = cpu_seconds(hub.pid) - before
            server_load.stop(hub, users)
        return Rush(ready, cost)

    def memory(self) -> Result:
        """What idle servers take."""
        users = [f"u{number}" for number in range(IDLE_SERVERS)]
        shared: dict[str, list[float]] = {}
        own: dict[str, list[float]] = {}
        remarks = []
        for name in self.hubs:
            with serving(name, self.folder) as hub:
                server_load.create_users(hub, users)
                for user in users:
                    server_load.start(hub, user)
                    server_load.use(hub, user)
                settle(hub.pid)
                servers, launcher = memory_of_servers(hub)
                if len(servers) != len(users):
                    raise CannotMeasure(f"{name}: {len(servers)} servers of {len(users)} were found")
                count, rest = len(servers), (launcher.proportional, launcher.private)
                part = [each / count / MEGABYTE for each in rest]
                shared[name] = [median(one.proportional for one in servers.values()) / MEGABYTE + part[0]]
                own[name] = [median(one.private for one in servers.values()) / MEGABYTE + part[1]]
                if launcher.proportional:
                    remarks.append(
                        f"Of what a server of {name} takes, {part[0]:.1f} MB (PSS) and {part[1]:.1f} MB (written) "
                        f"are its share of the process that {count} servers were copied from."
                    )
        third = (Aim(1 / 3, JUPYTERHUB, at_least=False, words="≤ 1/3 × JupyterHub"),)
        title = f"memory of an idle server, {IDLE_SERVERS} running"
        return Result(
            [
                Figure("memory", f"{title}: PSS", "MB", shared, False, third),
                Figure("memory", f"{title}: written and shared with nobody", "MB", own, False, third),
            ],
            remarks,
        )

    def kernel(self) -> Result:
        """New kernels in servers that run."""
        with ExitStack() as stack:
            where: dict[str, tuple[int, str, str]] = {}
            for name in (PERIJOVE, EXECUTED):
                hub = stack.enter_context(serving(name, self.folder))
                server_load.create_users(hub, ["u0"])
                server_load.start(hub, "u0")
                where[name] = hub.public, "/user/u0/", hub.token
            if PLAIN in self.names:
                port, token = stack.enter_context(plain_server(self.folder))
                where[PLAIN] = port, "/", token

            def once(name: str) -> float:
                return server_load.new_kernel(*where[name])

            names = {name: name for name in where}
            first = in_turns(names, once, 1)
            # An executed server begins to prepare with its first kernel.
            time.sleep(3)
            seen = in_turns(names, once, TRIES)
        aims = (Aim(1 / 4, PLAIN, at_least=False, words=f"≤ 1/4 × {PLAIN}"),)
        title = "new kernel: request to the first execute_reply"
        return Result(
            [
                Figure("kernel", title, "s", seen, False, aims),
                Figure("kernel", "the first kernel of a server", "s", first, False),
            ]
        )

    def restart(self) -> Result:
        """A hub that is started anew while many servers run."""
        hub_processors, others = processors()
        page: dict[str, list[float]] = {}
        killed: dict[str, list[float]] = {}
        anew: dict[str, list[float]] = {}
        checked: dict[str, list[float]] = {}
        kept: dict[str, list[float]] = {}
        memory: dict[str, list[float]] = {}
        with ExitStack() as stack:
            installation = Installation(self.folder, stack.enter_context(backend()), hub_processors, others)
            known: dict[str, tuple[SqliteDatabase, Carrier]] = {}
            for name in (each for each in self.hubs if each != EXECUTED):
                database = SqliteDatabase(self.folder / f"restart-{name}.sqlite")
                carrier = stack.enter_context(installation.proxy())
                with installation.start(name, database, carrier=carrier):
                    pass
                seed(name, database, installation.backend, RUNNING, range(RUNNING))
                with installation.start(name, database, carrier=carrier) as hub:
                    _await_checked(hub)
                    settle(hub.pid)
                known[name] = database, carrier

            def once(name: str) -> None:
                database, carrier = known[name]
                begin = time.perf_counter()
                with installation.start(name, database, carrier=carrier, page="/hub/login") as hub:
                    page.setdefault(name, []).append(hub.started)
                    _await_checked(hub)
                    checked.setdefault(name, []).append(time.perf_counter() - begin)
                    settle(hub.pid)
                    kept.setdefault(name, []).append(_ready(hub))
                    memory.setdefault(name, []).append(sum(map(proportional, family(hub.pid))) / MEGABYTE)
                    if name == JUPYTERHUB:
                        # Nothing starts it again but whoever started it.
                        killed.setdefault(name, []).append(hub.started)
                        anew.setdefault(name, []).append(hub.started)
                    else:
                        killed.setdefault(name, []).append(_back(hub, signal.SIGKILL))
                        settle(hub.pid)
                        anew.setdefault(name, []).append(_back(hub, signal.SIGHUP))

            in_turns({name: name for name in known}, once, RESTARTS)
        title = f"restart of the hub with {RUNNING:,} servers running"
        return Result(
            [
                Figure("restart", f"{title}, by the command: to the first page", "s", page, False, (TENTH,)),
                Figure("restart", f"{title}, killed with -9: to the first page", "s", killed, False, (TENTH,)),
                Figure("restart", f"{title}, told by SIGHUP: to the new hub's first page", "s", anew, False, (TENTH,)),
                Figure("restart", f"{title}, by the command: until all are checked", "s", checked, False),
                Figure(
                    "restart", f"{title}: ready afterwards", "servers", kept, aims=(Aim(RUNNING, words="none lost"),)
                ),
                Figure(
                    "restart",
                    f"memory of the hub with {RUNNING:,} servers running: PSS",
                    "MB",
                    memory,
                    False,
                    (Aim(1, JUPYTERHUB, at_least=False),),
                ),
            ]
        )


def _back(hub: Hub, number: signal.Signals) -> float:
    """Seconds from a signal, to the hub that a command has forked or to the command, to the next hub's first page."""
    command, forked = family(hub.pid)[:2]
    begin = time.perf_counter()
    os.kill(forked if number == signal.SIGKILL else command, number)
    while Path(f"/proc/{forked}").exists():
        time.sleep(0.002)
    await_answer(hub.port, hub.process, hub.polled.with_name("hub.log"), "/hub/login")
    return time.perf_counter() - begin


def _await_checked(hub: Hub) -> None:
    """Wait until a hub has asked after every recorded server. Raises CannotMeasure if it does not."""
    until = time.monotonic() + CHECKED_SECONDS
    while time.monotonic() < until:
        if len(set(hub.polled.read_text().split())) >= RUNNING:
            return
        time.sleep(0.01)
    raise CannotMeasure(f"{hub.name} has not asked after all servers")


def _ready(hub: Hub) -> int:
    """How many servers it says are ready."""
    found = 0
    for offset in range(0, RUNNING, 200):
        users = json.loads(hub.ask("GET", f"/hub/api/users?state=ready&limit=200&offset={offset}"))
        found += sum(server["ready"] for user in users for server in user["servers"].values())
    return found


@contextmanager
def open_setup(folder: Path) -> Iterator[Setup]:
    """Install the peer. What cannot be had is left out."""
    names, left_out = [PERIJOVE, EXECUTED], []
    try:
        jupyterhub_folder()
        chp_program()
        names += [JUPYTERHUB, PLAIN]
    except (CannotMeasure, OSError) as error:
        left_out.append(f"{JUPYTERHUB} and {PLAIN} were left out: {error}.")
    yield Setup(folder, names, left_out)


SERVERS = Page(
    "servers",
    "Servers beside the peer's",
    (JUPYTERHUB, PLAIN),
    {
        "one": Setup.one,
        "together": Setup.together,
        "memory": Setup.memory,
        "kernel": Setup.kernel,
        "restart": Setup.restart,
    },
    open_setup,
    {"npm": "npm"},
)
