"""Hub processes made of use cases alone, over one store, one machine for servers and one proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import ADMIN_SCOPES, DEFAULT_ROLES
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import Server
from perijove.hub.core.site import Site
from perijove.hub.core.users import User
from perijove.hub.ports.spawner import HubInfo, SpawnerUser
from perijove.hub.ports.store import Store, Transaction
from perijove.hub.testing.fakes import FakeAuthenticator, FakeClock, FakeProxy, FakeWorld, RecordingTelemetry
from perijove.hub.testing.memory_store import MemoryStore
from perijove.hub.usecases import lifecycle, servers, sign_in, steps
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import Identities, Visitor
from perijove.hub.usecases.lifecycle import Lifecycle
from perijove.hub.usecases.people import ensure_user
from perijove.hub.usecases.refreshes import Refreshes
from perijove.hub.usecases.removal import Removal
from perijove.hub.usecases.servers import ServerRules, Servers
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.spawners import Spawners
from perijove.hub.usecases.steps import Plugins, Steps
from perijove.hub.usecases.tasks import Tasks

DEADLINE = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses short: their length is a matter of taste, their end is not."""
    for module, name in (
        (lifecycle, "STORE_RETRY"),
        (lifecycle, "STEP_RETRY"),
        (steps, "PROBE_FIRST"),
        (steps, "PROBE_LONGEST"),
        (steps, "EXIT_LOOK"),
        (steps, "STOP_RETRY_MAX"),
        (servers, "LOOK"),
    ):
        monkeypatch.setattr(module, name, 0.01)


class FlakyStore:
    """A store that is away while `away` is set: transactions neither begin nor commit then."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.away = False
        self.refused = 0

    def _check(self) -> None:
        if self.away:
            self.refused += 1
            raise PerijoveError(Code.UNAVAILABLE, "The database is away.")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self._check()
        async with self.inner.transaction() as tx:
            yield tx
            self._check()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        self._check()
        async with self.inner.reading() as tx:
            yield tx

    @property
    def generation(self) -> Hashable:
        return self.inner.generation

    async def ping(self) -> None:
        self._check()


class FakeProbe:
    """Says that every server answers; `silent` says no, `hanging` says nothing."""

    def __init__(self) -> None:
        self.silent = False
        self.hanging = False
        self.asked: list[str] = []

    async def answers(self, url: str) -> bool:
        self.asked.append(url)
        if self.hanging:
            await asyncio.Event().wait()
        return not self.silent


class Process:
    """One hub process."""

    def __init__(self, house: House, owner: str, limits: Limits, named: bool) -> None:
        self.house = house
        self.signals, self.tasks = Signals(), Tasks()
        self.lifecycle = Lifecycle(house.ctx, self.signals, self.tasks, owner)
        self.steps = Steps(
            house.ctx,
            self.lifecycle,
            self.signals,
            plugins=Plugins(house.new_spawner, house.authenticator, house.proxy, house.probe),
            limits=limits,
            site=Site(),
        )
        rules = ServerRules(Site(), named, 2, limits)
        self.removal = Removal(house.ctx, house.authenticator, self.signals, self.steps.spawner)
        self.servers = Servers(
            house.ctx,
            self.lifecycle,
            self.signals,
            rules,
            Refreshes(house.ctx, house.authenticator),
            Spawners(house.ctx, house.new_spawner),
        )

    async def begin(self, *, alone: bool = True) -> None:
        """Take up work, as a hub does that starts."""
        self.lifecycle.begin(self.steps.table(), self.steps.forget, self.removal.server, shared=not alone)
        if alone:
            async with self.house.store.inner.transaction() as tx:
                await tx.servers.release_all()
        await self.lifecycle.sweep()
        await self.removal.sweep()

    async def die(self) -> None:
        """End as with kill -9: nothing is released, stored or told."""
        await self.tasks.close()

    async def start(self, user: str = "ada", name: str = "", **options: Any) -> Server:
        return await self.servers.start(self.house.admin, user, name, **options)

    async def stop(self, user: str = "ada", name: str = "") -> Server:
        return await self.servers.stop(self.house.admin, user, name)


class House:
    """What hub processes share."""

    def __init__(self, store: Store) -> None:
        self.store = FlakyStore(store)
        self.clock, self.telemetry, self.authenticator = FakeClock(), RecordingTelemetry(), FakeAuthenticator()
        self.ctx = Context(self.store, self.clock, self.telemetry)
        self.world, self.proxy, self.probe = FakeWorld(), FakeProxy(), FakeProbe()
        self.proxy.running = True
        self.spawner_class: type[Any] = self.world.spawner_class()
        self.spawner_options: dict[str, Any] = {}
        self.spawners: list[Any] = []
        self.processes: list[Process] = []
        self.admin = Principal("user", "root", expand(ADMIN_SCOPES, Holder(user="root")), user_id=9999, admin=True)

    def new_spawner(self, server: Server) -> Any:
        spawner = self.spawner_class(**self.spawner_options)
        spawner.user = SpawnerUser(server.user_id, server.user_name, False)
        spawner.hub = HubInfo(Site(), "http://127.0.0.1:8081/hub/api", "")
        spawner.name, spawner.server_id = server.name, server.id
        self.spawners.append(spawner)
        return spawner

    def process(self, owner: str = "", limits: Limits | None = None, named: bool = False) -> Process:
        made = Process(self, owner or f"hub{len(self.processes) + 1}", limits or Limits(), named)
        self.processes.append(made)
        return made

    async def hub(self, **options: Any) -> Process:
        """Return a process that has begun its work."""
        process = self.process(**options)
        await process.begin()
        return process

    async def user(self, name: str = "ada", *, admin: bool = False, roles: tuple[str, ...] = ()) -> User:
        """Return a user, made with the roles that everybody has."""
        async with self.store.inner.transaction() as tx:
            if not await tx.roles.list():
                await tx.roles.replace_all(list(DEFAULT_ROLES.values()))
            user, _ = await ensure_user(self.ctx, tx, name, admin=admin)
            for role in roles:
                await tx.roles.assign(role, "user", user.id)
        return user

    async def visitor(self, name: str = "ada", *, admin: bool = False) -> Visitor:
        """Return somebody who has just signed in."""
        user = await self.user(name, admin=admin)
        async with self.store.inner.transaction() as tx:
            session = await sign_in.begin_session(self.ctx, tx, user, timedelta(days=14))
        visitor = await Identities(self.ctx, Activity(self.ctx)).by_session(session.key)
        assert visitor is not None
        return visitor

    async def row(self, user: str = "ada", name: str = "") -> Server:
        async with self.store.inner.transaction() as tx:
            owner = await tx.users.get(user)
            assert owner is not None
            server = await tx.servers.get(owner.id, name)
        assert server is not None
        return server

    async def change(self, server: Server, **values: Any) -> Server:
        """Write a row as it could have been left behind."""
        async with self.store.inner.transaction() as tx:
            changed = replace(server, version=server.version + 1, **values)
            await tx.servers.save(changed)
        return changed

    async def until(self, state: str, user: str = "ada", name: str = "") -> Server:
        """Return the server once it is in *state*."""
        async with asyncio.timeout(DEADLINE):
            while (server := await self.row(user, name)).state.value != state:
                await asyncio.sleep(0.003)
        return server

    async def when(self, condition: Callable[[], Any]) -> None:
        """Return once *condition* holds."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.003)

    async def messages(self, server: Server) -> list[str]:
        async with self.store.inner.transaction() as tx:
            return [event.message for event in await tx.progress.list(server.id, server.attempt)]

    def hold(self, stage: str, held: bool = True) -> None:
        """Keep servers from leaving *stage*, or no longer."""
        match stage:
            case "starting":
                self.world.hang_start = held
            case "answering":
                self.probe.silent = held
            case "routing":
                self.proxy.failure = PerijoveError(Code.UNAVAILABLE, "The proxy is away.") if held else None
            case "stopping":
                self.world.stop_failure = RuntimeError("does not want to") if held else None
            case _:
                pass

    async def reach(self, process: Process, stage: str) -> Server:
        """Start ada's server and return it in *stage*, where it stays."""
        if stage == "queued":
            await self.user("first")
            self.hold("answering")
            await process.start("first")
            await self.until("answering", "first")
        self.hold(stage)
        await process.start()
        if stage == "stopping":
            await self.until("ready")
            await process.stop()
        server = await self.until(stage)
        if stage == "starting":
            await self.when(lambda: any(run.server_id == server.id for run in self.world.running()))
        if stage == "answering":
            await self.when(lambda: any("/user/ada/" in url for url in self.probe.asked))
        return server

    def let_go(self, stage: str) -> None:
        self.hold("answering" if stage == "queued" else stage, False)


@pytest.fixture
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store in memory, or of the kind ``sql`` where a test is parametrised so."""
    if getattr(request, "param", "memory") == "memory":
        yield MemoryStore()
        return
    opened = await SqlStore.open("sqlite://")
    yield opened
    await opened.close()


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    """See `House`; ada is a user."""
    made = House(store)
    await made.user("ada")
    yield made
    made.store.away = False
    for process in made.processes:
        await process.die()
