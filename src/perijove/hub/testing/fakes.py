"""Fakes of the ports: they keep the contract, need nothing from outside, and break it only when told to."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from msgspec import Struct, field

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.facts import Fact
from perijove.hub.core.routes import Route
from perijove.hub.core.usage import Usage
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.programs import Program
from perijove.hub.ports.proxy import Proxy
from perijove.hub.ports.spawner import Spawner

AnyFact = TypeVar("AnyFact")


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved on, and some."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set(self, now: datetime) -> None:
        """Let the time of day jump; the other clock stays."""
        self._now = now


class RecordingTelemetry:
    """Keeps the facts, in order, in `facts`."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def emit(self, fact: Fact) -> None:
        """Keep *fact*."""
        self.facts.append(fact)

    def of(self, kind: type[AnyFact]) -> list[AnyFact]:
        """Return the facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


class PlainPasswordHasher:
    """Hashes fast and without salt: for tests only."""

    async def hash(self, password: str) -> str:
        """Return a hash of *password*."""
        return f"plain:{hashlib.sha256(password.encode()).hexdigest()}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether *password* is the one that *password_hash* was made of."""
        return password_hash is not None and password_hash == await self.hash(password)


class FakeAuthenticator(Authenticator):
    """Knows the names and passwords in `passwords`; `admins` are administrators by its word."""

    def __init__(self, passwords: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.passwords = dict(passwords or {})
        self.admins: set[str] = set()
        self.failure: Exception | None = None

    async def authenticate(self, handler: SignInRequest, data: Mapping[str, str]) -> dict[str, Any] | None:
        """Return who knows the password; raises `failure` if that is set."""
        if self.failure is not None:
            raise self.failure
        name = data.get("username", "")
        if name not in self.passwords or self.passwords[name] != data.get("password"):
            return None
        return {"name": name, "admin": True if name in self.admins else None}


class FakeRun(Struct):
    """One start of a fake server."""

    server_id: int
    port: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    status: int | None = None


class FakeWorld:
    """Where fake servers run: it outlives the spawners, as a machine outlives the hub. Switches spoil what they do.

    Attributes:
        runs: all starts by their number.
        hang_start: start() does not return until it is cancelled.
        hang_stop: stop() does not return until it is cancelled.
        start_failure: raised by start() before anything runs.
        stop_failure: raised by stop().
        unknown: poll() raises, as where the machine cannot be reached.
        lie: start() gives back this in place of an address.
        steps: what progress() tells.
        log: what the servers printed.
        usage: what each of them uses.
        stopped_now: for each stop(), whether it was to be at once.
        deleted: the servers of which everything was deleted, by id; once for each time.
        delete_failure: raised by delete_forever().
    """

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        self.hang_start = False
        self.hang_stop = False
        self.start_failure: Exception | None = None
        self.stop_failure: Exception | None = None
        self.unknown = False
        self.lie: Any = None
        self.steps: list[dict[str, Any]] = []
        self.log = ""
        self.usage: Usage | None = None
        self.stopped_now: list[bool] = []
        self.deleted: list[int] = []
        self.delete_failure: Exception | None = None

    def running(self) -> list[FakeRun]:
        """Return what runs."""
        return [run for run in self.runs.values() if not run.ended.is_set()]

    def end(self, server_id: int, status: int = 0) -> None:
        """Let the servers with that id end by themselves."""
        for run in self.running():
            if run.server_id == server_id:
                run.status = status
                run.ended.set()

    def spawner_class(self) -> type[FakeSpawner]:
        """Return a class of spawners that start servers here."""
        return type("FakeSpawner", (FakeSpawner,), {"world": self})


class FakeSpawner(Spawner):
    """Starts servers in a `FakeWorld`; nothing listens at the addresses it gives."""

    world: ClassVar[FakeWorld] = FakeWorld()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._number = ""

    @property
    def run(self) -> FakeRun | None:
        """The start that this spawner knows of."""
        return self.world.runs.get(self._number)

    async def start(self) -> Any:
        """Start a server, unless the world is set to something else."""
        if self.world.start_failure is not None:
            raise self.world.start_failure
        self._number = secrets.token_hex(8)
        run = self.world.runs[self._number] = FakeRun(self.server_id, 20000 + len(self.world.runs))
        await self.checkpoint()
        if self.world.hang_start:
            await asyncio.Event().wait()
        return self.world.lie if self.world.lie is not None else ("127.0.0.1", run.port)

    async def poll(self) -> int | None:
        """Return None if the server runs, else its status, 0 if there is none."""
        if self.world.unknown:
            raise PerijoveError(Code.UNAVAILABLE, "The machine cannot be reached.")
        run = self.run
        if run is not None and not run.ended.is_set():
            return None
        return run.status or 0 if run is not None else 0

    async def usage(self) -> Usage | None:
        """Return what the world is set to."""
        return self.world.usage

    async def wait_exit(self) -> int | None:
        """Return when the server has ended."""
        run = self.run
        if run is None:
            return None
        await run.ended.wait()
        return run.status

    async def stop(self, now: bool = False) -> None:
        """End the server, unless the world is set to something else."""
        self.world.stopped_now.append(now)
        if self.world.stop_failure is not None:
            raise self.world.stop_failure
        if self.world.hang_stop:
            await asyncio.Event().wait()
        run = self.run
        if run is not None and not run.ended.is_set():
            run.status = -9 if now else -15
            run.ended.set()

    async def find_runs(self) -> set[str]:
        """Return everything that runs in this world. Raises PerijoveError UNAVAILABLE while that is unknown."""
        if self.world.unknown:
            raise PerijoveError(Code.UNAVAILABLE, "The machine cannot be reached.")
        return {number for number, run in self.world.runs.items() if not run.ended.is_set()}

    def run_of(self, state: Mapping[str, Any]) -> str:
        """Return the number of the start."""
        return str(state.get("run", ""))

    async def end_run(self, run: str) -> None:
        """End a start, unless the world is set to something else."""
        self._number = run
        await self.stop()

    async def delete_forever(self) -> None:
        """Take note of it, unless the world is set to something else."""
        self.world.deleted.append(self.server_id)
        if self.world.delete_failure is not None:
            raise self.world.delete_failure

    def get_state(self) -> dict[str, Any]:
        """Return the number of the start."""
        return {"run": self._number} if self._number else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the number of a start."""
        self._number = str(state.get("run", ""))

    def clear_state(self) -> None:
        """Forget the start."""
        self._number = ""

    def read_log(self, lines: int) -> str:
        """Return the last lines of the world's log."""
        return "\n".join(self.world.log.splitlines()[-lines:]) if lines > 0 else ""

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Give the world's steps."""
        for step in self.world.steps:
            yield step


class FakeProxy(Proxy):
    """A table in memory. `crash` loses it, as the death of a proxy does; `failure` is raised by every call if set."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.routes: dict[str, Route] = {}
        self.running = False
        self.starts = 0
        self.failure: Exception | None = None

    def crash(self) -> None:
        """End, and forget all routes."""
        self.running = False
        self.routes.clear()

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
        if not self.running:
            raise PerijoveError(Code.UNAVAILABLE, "The proxy does not run.")

    async def start(self) -> bool:
        """Start, or find itself running."""
        if self.failure is not None:
            raise self.failure
        if self.running:
            return False
        self.running = True
        self.starts += 1
        return True

    async def stop(self) -> None:
        """End, and forget all routes."""
        self.crash()

    async def is_running(self) -> bool:
        """Say whether it runs."""
        if self.failure is not None:
            raise self.failure
        return self.running

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Keep a route."""
        self._check()
        self.routes[routespec] = Route(routespec, target, dict(data))

    async def delete_route(self, routespec: str) -> None:
        """Drop a route."""
        self._check()
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> Mapping[str, Route]:
        """Return the table."""
        self._check()
        return dict(self.routes)


class FakeProgram(Struct):
    """A program that runs until a test ends it."""

    program: Program
    pid: int
    status: asyncio.Future[int | None]

    async def ended(self) -> int | None:
        """Return the status that it was ended with."""
        return await asyncio.shield(self.status)

    def end(self, status: int | None = 0) -> None:
        """End it."""
        if not self.status.done():
            self.status.set_result(status)


class FakePrograms:
    """Runs nothing. `failure` is raised by every start if set, `refusal` by every check.

    Attributes:
        started: everything that was started, in order.
        left: how many programs an earlier hub process left running.
        ended: how often everything was ended.
    """

    def __init__(self) -> None:
        self.started: list[FakeProgram] = []
        self.left = 0
        self.ended = 0
        self.failure: Exception | None = None
        self.refusal: PerijoveError | None = None

    def running(self) -> list[FakeProgram]:
        """Return what runs now."""
        return [program for program in self.started if not program.status.done()]

    def check(self, program: Program) -> None:
        """Return, or raise `refusal`."""
        if self.refusal is not None:
            raise self.refusal

    async def start(self, program: Program) -> FakeProgram:
        """Start it, or raise `failure`."""
        if self.failure is not None:
            raise self.failure
        future = asyncio.get_running_loop().create_future()
        started = FakeProgram(program, 1000 + len(self.started), future)
        self.started.append(started)
        return started

    async def end(self, name: str) -> None:
        """End what runs of *name*."""
        for program in self.running():
            if program.program.name == name:
                program.end(-15)

    async def end_all(self) -> int:
        """End everything, and say how much that was."""
        self.ended += 1
        running, left = self.running(), self.left
        self.left = 0
        for program in running:
            program.end(-15)
        return len(running) + left
