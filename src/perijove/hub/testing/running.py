"""A whole hub in one process, for tests: real use cases, life cycle and pages over a store in memory and fakes.

    async with running_hub() as hub:
        token = await hub.token("ada")
        answer = await hub.client(token).post("/hub/api/users/ada/server")

Nothing listens and nothing is started outside the process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from msgspec import Struct, field
from msgspec.structs import replace
from traitlets.config import Config

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.adapters.telemetry.history import HistoryWriter
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.guessing import GuessLimits
from perijove.hub.core.roles import Role
from perijove.hub.core.servers import Server
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.core.users import Account, User
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import HubInfo, Spawner, SpawnerUser
from perijove.hub.settings.effective import effective
from perijove.hub.settings.landing import Landing
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.testing.fakes import (
    FakeAuthenticator,
    FakeClock,
    FakePrograms,
    FakeProxy,
    FakeWorld,
    PlainPasswordHasher,
    RecordingTelemetry,
)
from perijove.hub.testing.memory_store import MemoryStore, MemoryTransaction
from perijove.hub.usecases import people, sign_in
from perijove.hub.usecases.accounts import Accounts
from perijove.hub.usecases.administration import Administration
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.entrance import entrance_of
from perijove.hub.usecases.guessing import Guard
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.lifecycle import Lifecycle
from perijove.hub.usecases.parts import Parts, assemble
from perijove.hub.usecases.servers import ServerRules
from perijove.hub.usecases.shutdown import Shutdown
from perijove.hub.usecases.sign_in import NewSession
from perijove.hub.usecases.startup import apply_configuration
from perijove.hub.usecases.steps import Plugins
from perijove.hub.usecases.tokens import new_secret
from perijove.hub.web.app import create_app
from perijove.hub.web.security import SESSION_COOKIE
from perijove.hub.web.state import HubState, PluginInfo, WebSettings
from perijove.hub.web.templating import Templates
from perijove.wire.prefixes import normalize_base_url

ORIGIN = "http://hub.test"
"""The origin under which clients of a `RunningHub` reach it."""

PASSWORD = "correct horse"
"""The password of everybody whom `RunningHub.add_user` made."""


class InterruptibleStore(MemoryStore):
    """A store in memory that is away while `away` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Begin a transaction. Raises PerijoveError UNAVAILABLE while the store is away."""
        self._check()
        async with super().transaction() as tx:
            yield tx

    async def ping(self) -> None:
        """Return. Raises PerijoveError UNAVAILABLE while the store is away."""
        self._check()

    def _check(self) -> None:
        if self.away:
            raise PerijoveError(Code.UNAVAILABLE, "The database is away.")


class FakeProbe(Struct):
    """Says that every server answers, or none."""

    willing: bool = True

    async def answers(self, url: str) -> bool:
        """Return `willing`."""
        return self.willing


class RunningHub(Struct):
    """A hub put together for a test, and short ways to use it.

    Attributes:
        app: the ASGI application.
        state: what its handlers use.
        store: where everything is kept; can be sent away.
        clock: stands still until it is moved.
        world: where servers run; switches spoil what they do.
        proxy: the proxy's table.
        probe: whether servers answer.
        telemetry: the facts that were told.
        parts: the use cases that know of each other.
        programs: what the keeper runs.
        history: what the hub was like; a test may look and emit.
    """

    app: FastAPI
    state: HubState
    store: InterruptibleStore
    clock: FakeClock
    world: FakeWorld
    proxy: FakeProxy
    probe: FakeProbe
    telemetry: RecordingTelemetry
    parts: Parts
    programs: FakePrograms
    history: HistoryWriter
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def close(self) -> None:
        """End everything that runs in it."""
        for client in self._clients:
            await client.aclose()
        await self.parts.keeper.close()
        await self.parts.tasks.close()

    @property
    def lifecycle(self) -> Lifecycle:
        """What drives the servers."""
        return self.parts.lifecycle

    @property
    def keeper(self) -> Keeper:
        """What keeps services running, once a test lets it begin."""
        return self.parts.keeper

    @property
    def prefix(self) -> str:
        """The prefix of the hub."""
        return self.state.settings.prefix

    @property
    def api(self) -> str:
        """The prefix of the REST API, without a slash at its end."""
        return f"{self.prefix}api"

    def client(self, token: str = "", **headers: str) -> httpx.AsyncClient:
        """Return a client, with *token* or without; it follows no redirects. It is closed with the hub."""
        if token:
            headers["Authorization"] = f"token {token}"
        transport = httpx.ASGITransport(app=self.app)
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, timeout=30)
        self._clients.append(client)
        return client

    async def browser(self, name: str, **headers: str) -> httpx.AsyncClient:
        """Return a client in which *name*, made if need be, is signed in."""
        session = await self.session(name)
        client = self.client(**headers)
        client.cookies.set(SESSION_COOKIE, session.key, domain="hub.test", path=self.prefix)
        return client

    async def session(self, name: str) -> NewSession:
        """Begin a session of *name*, made if need be."""
        user = await self.add_user(name)
        async with self.store.transaction() as tx:
            return await sign_in.begin_session(self.state.ctx, tx, user, self.state.settings.session_lifetime)

    async def add_user(self, name: str, *, admin: bool | None = None) -> User:
        """Return the user called *name*, made with `PASSWORD` if need be."""
        hasher = PlainPasswordHasher()
        async with self.store.transaction() as tx:
            user, created = await people.ensure_user(self.state.ctx, tx, name, admin=admin)
            if created and await tx.accounts.get(name) is None:
                await tx.accounts.add(Account(name, await hasher.hash(PASSWORD), True, self.clock.now()))
        if isinstance(self.state.authenticator, FakeAuthenticator):
            self.state.authenticator.passwords.setdefault(name, PASSWORD)
        return user

    async def token(self, owner: str, *scopes: str, service: bool = False, admin: bool = False, **values: Any) -> str:
        """Return a new token.

        Args:
            owner: the user or service it belongs to, made if need be.
            scopes: raw scopes; everything its owner may do if not given.
            service: whether the owner is a service; then it holds *scopes* by a role of its own.
            admin: whether the owner is an administrator.
            values: more of what `Token` says.
        """
        value = new_secret()
        owner_id = (
            await self._service(owner, scopes, admin)
            if service
            else (await self.add_user(owner, admin=admin or None)).id
        )
        async with self.store.transaction() as tx:
            await tx.tokens.add(
                Token(
                    id=0,
                    token_hash=hash_token(value),
                    owner_kind="service" if service else "user",
                    owner_id=owner_id,
                    owner_name=owner,
                    scopes=("inherit",) if service or not scopes else scopes,
                    created=self.clock.now(),
                    **values,
                )
            )
        return value

    async def _service(self, name: str, scopes: tuple[str, ...], admin: bool) -> int:
        async with self.store.transaction() as tx:
            service = await tx.services.put(Service(0, name, admin=admin))
            role = Role(f"service-{name}", scopes)
            await tx.roles.replace_all([*(r for r in await tx.roles.list() if r.name != role.name), role])
            await tx.roles.assign(role.name, "service", service.id)
        return service.id

    async def server(self, user_name: str, name: str = "") -> Server | None:
        """Return a server as it is stored."""
        async with self.store.transaction() as tx:
            user = await tx.users.get(user_name)
            return None if user is None else await tx.servers.get(user.id, name)

    async def until(self, condition: Callable[[Server | None], bool], user_name: str, name: str = "") -> Server | None:
        """Return the server once *condition* holds for it. Raises TimeoutError if that takes long."""
        server: Server | None = None
        for _ in range(2000):
            if condition(server := await self.server(user_name, name)):
                return server
            await asyncio.sleep(0.005)
        raise TimeoutError(f"{user_name}/{name} is {server}")


@contextlib.asynccontextmanager
async def running_hub(
    *,
    base_url: str = "/",
    authenticator: Authenticator | None = None,
    spawner_class: type[Spawner] | None = None,
    limits: Limits | None = None,
    named_servers: bool = True,
    keeps_accounts: bool = False,
    guess_limits: GuessLimits | None = None,
    services: Sequence[ServiceSpec] = (),
    **settings: Any,
) -> AsyncIterator[RunningHub]:
    """Run a hub within this process until the end of the block.

    Args:
        base_url: the prefix of the installation.
        authenticator: says who signs in; by default everybody whom `RunningHub.add_user` made.
        spawner_class: starts servers; by default in a `FakeWorld`.
        limits: how many servers may run and start at once.
        named_servers: whether a user may have more than one server.
        keeps_accounts: whether the hub keeps passwords itself, so that there are pages to sign up.
        guess_limits: how many tries to sign in may fail.
        services: services of the configuration; those with a command run in `RunningHub.programs`.
        settings: what shall be other than usual in `WebSettings`; a ``site`` takes the place of *base_url*,
            an ``audit`` finds lines of the audit log, ``roles`` and ``options`` are those of the configuration,
            ``info`` says what the plug-ins are.
    """
    site = settings.pop("site", None) or Site(normalize_base_url(base_url))
    store, clock, telemetry, world = InterruptibleStore(), FakeClock(), RecordingTelemetry(), FakeWorld()
    ctx = Context(store, clock, telemetry, encryption=FernetEncryption([bytes(32)]))
    proxy, probe, programs, history = FakeProxy(), FakeProbe(), FakePrograms(), HistoryWriter(clock)
    authenticator = authenticator or FakeAuthenticator(allow_all=True)
    info = settings.pop("info", PluginInfo("fake", "0"))
    options = settings.pop("options", None) or effective(Config(), [authenticator, proxy])
    looked_after = {"audit": settings.pop("audit", None), "roles": settings.pop("roles", ()), "options": options}
    parts = assemble(
        ctx,
        Plugins(_factory(spawner_class or world.spawner_class(), site), authenticator, proxy, probe),
        ServerRules(site, named_servers, 0, limits or Limits()),
        programs=programs,
        specs=services,
        hub=HubInfo(site, "http://127.0.0.1:8081/hub/api", ""),
        hub_url="http://127.0.0.1:8081",
        owner="hub-in-a-test",
    )
    state = HubState(
        ctx=ctx,
        settings=replace(_settings(site), **settings),
        activity=parts.activity,
        identities=Identities(ctx, parts.activity),
        accounts=Accounts(ctx, PlainPasswordHasher(), authenticator) if keeps_accounts else None,
        guard=Guard(ctx, guess_limits or GuessLimits()),
        authenticator=authenticator,
        entrance=entrance_of(authenticator, site),
        removal=parts.removal,
        refreshes=parts.refreshes,
        servers=parts.servers,
        culler=parts.culler,
        usages=parts.usages,
        routes=parts.routes,
        services=parts.services,
        shutdown=Shutdown(ctx, servers=True, proxy=True),
        templates=Templates(),
        metrics=Metrics(),
        authenticator_info=info,
        spawner_info=info,
        ready=store.ping,
        administration=Administration.made(ctx, parts, history=history.history, **looked_after),
    )
    hub = RunningHub(create_app(state), state, store, clock, world, proxy, probe, telemetry, parts, programs, history)
    await _begin(hub, services, looked_after["roles"])
    try:
        yield hub
    finally:
        await hub.close()


async def _begin(hub: RunningHub, services: Sequence[ServiceSpec], roles: Sequence[RoleSpec]) -> None:
    parts, site = hub.parts, hub.state.settings.site
    await apply_configuration(hub.state.ctx, FakeAuthenticator(), services, roles, site=site)
    hub.telemetry.facts.clear()
    await hub.proxy.start()
    await parts.routes.reconcile()
    parts.lifecycle.begin(parts.steps.table(), parts.steps.forget, parts.removal.server)


def _factory(spawner_class: type[Spawner], site: Site) -> Callable[[Server], Spawner]:
    def make(server: Server) -> Spawner:
        spawner = spawner_class()
        spawner.user = SpawnerUser(server.user_id, server.user_name, admin=False)
        spawner.hub = HubInfo(site, f"http://127.0.0.1:8081{site.prefix}api", "")
        spawner.name = server.name
        spawner.server_id = server.id
        return spawner

    return make


def _settings(site: Site) -> WebSettings:
    return WebSettings(
        site=site,
        host_cookies=False,
        cookie_secret=b"for tests only",
        session_lifetime=timedelta(days=14),
        require_pkce=False,
        oauth_lifetime=timedelta(days=14),
        token_maximum=0,
        page_default=50,
        page_maximum=200,
        slow_start=10.0,
        slow_stop=10.0,
        metrics_need_scope=True,
        landing=Landing(),
    )
