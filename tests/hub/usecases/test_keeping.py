from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.testing.fakes import FakePrograms
from perijove.hub.usecases import keeping, leases
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.keeping import Keeper, environment

House = Any
TOKEN = "a-token-of-at-least-thirty-two-characters"
WIKI = ServiceSpec("wiki", TOKEN, url="http://127.0.0.1:10101", command=("run", "wiki"), cwd="/srv", user="www")
HUB = HubInfo(Site("/jh/"), "http://127.0.0.1:8081/jh/hub/api", "/srv", host_cookies=True)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """What runs programs; pauses are short."""
    monkeypatch.setattr(keeping, "FIRST_LOOK", 0.003)
    monkeypatch.setattr(keeping, "LONGEST_LOOK", 0.01)
    monkeypatch.setattr(keeping, "next_pause", lambda last, _ran: last + 0.01)
    return FakePrograms()


@pytest.fixture
async def keeper(house: House, programs: FakePrograms) -> AsyncIterator[Callable[..., Keeper]]:
    """Make what keeps the given services; it is closed with the test."""
    made: list[Keeper] = []

    def make(*specs: ServiceSpec) -> Keeper:
        made.append(Keeper(house.ctx, programs, house.probe, specs=specs, hub=HUB))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def test_the_environment_is_what_services_for_jupyterhub_read() -> None:
    env = environment(dataclasses.replace(WIKI, environment={"OWN": "1", "JUPYTERHUB_HOST": "changed"}), HUB)
    access = json.dumps(["access:services", "access:services!service=wiki"])
    assert env == {
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JPY_API_TOKEN": TOKEN,
        "JUPYTERHUB_CLIENT_ID": "service-wiki",
        "JUPYTERHUB_USER": "www",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_NAME": "wiki",
        "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/jh/hub/api",
        "JUPYTERHUB_BASE_URL": "/jh/",
        "JUPYTERHUB_HOST": "changed",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/jh/services/wiki/oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": access,
        "JUPYTERHUB_OAUTH_SCOPES": access,
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": "[]",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "1",
        "JUPYTERHUB_PUBLIC_HUB_URL": "",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101",
        "JUPYTERHUB_SERVICE_PREFIX": "/jh/services/wiki/",
        "JUPYTERHUB_PUBLIC_URL": "",
        "OWN": "1",
    }


def test_the_environment_of_one_without_pages_and_of_one_on_a_host_of_its_own() -> None:
    plain = environment(ServiceSpec("cull", TOKEN, command=("cull",)), HUB)
    assert not {"JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_ACTIVITY_URL"} & plain.keys()
    site = Site("/", "https://hub.example", lambda name, domain, kind: f"{name}--{kind}.{domain}")
    apart = environment(WIKI, replace(HUB, site=site))
    assert apart["JUPYTERHUB_PUBLIC_URL"] == "https://wiki--service.hub.example/services/wiki/"
    assert apart["JUPYTERHUB_OAUTH_CALLBACK_URL"] == "https://wiki--service.hub.example/services/wiki/oauth_callback"
    assert (apart["JUPYTERHUB_HOST"], apart["JUPYTERHUB_PUBLIC_HUB_URL"]) == (
        "https://hub.example",
        "https://hub.example/hub/",
    )


async def test_what_is_left_is_ended_before_anything_is_started(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    programs.left = 2
    keeping_it = keeper(WIKI, ServiceSpec("external", TOKEN))
    with capture_logs() as logs:
        keeping_it.begin(check_interval=60)
        await house.when(programs.running)
    (started,) = programs.started
    assert (programs.left, programs.ended) == (0, 1)
    assert {"services": 2} in [{"services": entry["services"]} for entry in logs if "services" in entry]
    assert (started.program.name, started.program.command) == ("wiki", ("run", "wiki"))
    assert (started.program.cwd, started.program.user) == ("/srv", "www")
    assert (keeping_it.pid_of("wiki"), keeping_it.pid_of("external"), keeping_it.pid_of("none")) == (started.pid, 0, 0)


async def test_one_that_ends_is_started_again(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    keeping_it = keeper(WIKI)
    with capture_logs() as logs:
        keeping_it.begin(check_interval=60)
        for number in range(1, 4):
            await house.when(lambda number=number: len(programs.started) == number and keeping_it.pid_of("wiki"))
            assert keeping_it.pid_of("wiki") == programs.started[-1].pid
            programs.started[-1].end(-9)
        await house.when(lambda: len(programs.started) == 4)
    assert [entry["exit_status"] for entry in logs if "ended by itself" in entry["event"]] == [-9] * 3
    assert [entry["in_seconds"] for entry in logs if "in_seconds" in entry] == pytest.approx([0.01, 0.02, 0.03])


async def test_one_that_cannot_be_started_is_tried_again(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    for failure in (PerijoveError(Code.FAILED, "'run' was not found"), PermissionError("no")):
        programs.failure = failure
        keeping_it = keeper(WIKI)
        with capture_logs() as logs:
            keeping_it.begin(check_interval=60)
            await house.when(lambda logs=logs: any("cannot be started" in entry["event"] for entry in logs))
            assert keeping_it.pid_of("wiki") == 0
            programs.failure = None
            await house.when(lambda keeping_it=keeping_it: keeping_it.pid_of("wiki"))
        await keeping_it.close()


async def test_all_end_with_the_hub_and_stay_so(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    keeping_it = keeper(WIKI, dataclasses.replace(WIKI, name="other"))
    keeping_it.begin(check_interval=60)
    await house.when(lambda: len(programs.running()) == 2)
    await keeping_it.close()
    await asyncio.sleep(0.05)
    assert programs.running() == []
    assert len(programs.started) == 2
    assert keeping_it.pid_of("wiki") == 0


async def test_what_never_began_ends_nothing(programs: FakePrograms, keeper: Callable[..., Keeper]) -> None:
    await keeper(WIKI).close()
    assert programs.ended == 0


async def test_a_service_that_this_hub_can_never_run_is_named(
    programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    programs.refusal = invalid("Only a hub that runs as root can do that")
    keeper(ServiceSpec("external", user="www")).check()
    with pytest.raises(PerijoveError, match=r"c\.JupyterHub\.services \(wiki\): Only a hub"):
        keeper(WIKI).check()


def told(logs: list[Any], text: str) -> int:
    return sum(text in entry["event"] for entry in logs)


async def test_whether_a_service_answers_is_told_once(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    house.probe.silent = True
    keeping_it = keeper(dataclasses.replace(WIKI, timeout=0.05))
    with capture_logs() as logs:
        keeping_it.begin(check_interval=60)
        await house.when(lambda: told(logs, "does not answer"))
        async with house.store.transaction() as tx:
            await tx.services.add(WIKI.as_service(from_config=True))
            await tx.services.add(Service(0, "cull"))
        for _ in range(2):
            await keeping_it.look()
        assert told(logs, "does not answer") == 1
        house.probe.silent = False
        for _ in range(2):
            await keeping_it.look()
        assert told(logs, "answers again") == 1
        house.probe.silent = True
        for _ in range(2):
            await keeping_it.look()
        assert told(logs, "does not answer") == 2
    assert set(house.probe.asked) == {"http://127.0.0.1:10101/jh/services/wiki/"}


async def test_an_external_service_is_waited_for_too(
    house: House, programs: FakePrograms, keeper: Callable[..., Keeper]
) -> None:
    house.probe.silent = True
    with capture_logs() as logs:
        keeper(dataclasses.replace(WIKI, command=())).begin(check_interval=60)
        await house.when(lambda: len(house.probe.asked) > 2)
        house.probe.silent = False
        await house.when(lambda: told(logs, "the service answers"))
    assert programs.started == []


async def test_services_are_looked_at_again_and_again(house: House, keeper: Callable[..., Keeper]) -> None:
    async with house.store.transaction() as tx:
        await tx.services.add(Service(0, "wiki", url="http://127.0.0.1:1", from_config=False))
    keeper().begin(check_interval=0.01)
    await house.when(lambda: len(house.probe.asked) > 2)


async def test_one_that_hangs_does_not_answer(
    house: House, keeper: Callable[..., Keeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.01)
    house.probe.hanging = True
    async with house.store.transaction() as tx:
        await tx.services.add(Service(0, "wiki", url="http://127.0.0.1:1"))
    with capture_logs() as logs:
        await keeper().look()
    assert told(logs, "does not answer") == 1


# -- several hubs on one store


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hubs look often for what others do."""
    monkeypatch.setattr(leases, "RENEW_INTERVAL", 0.01)
    monkeypatch.setattr(leases, "LOOK_INTERVAL", 0.01)


class Process:
    """One of several hub processes: programs of its own, and a way to the store that may be away."""

    def __init__(self, house: House, name: str) -> None:
        self.store = type(house.store)(house.store.inner)
        self.programs = FakePrograms()
        ctx = Context(self.store, house.clock, house.telemetry)
        self.keeper = Keeper(ctx, self.programs, house.probe, specs=[WIKI], hub=HUB, owner=name)
        self.keeper.begin(check_interval=60, shared=True)

    @property
    def running(self) -> bool:
        return bool(self.programs.running())


@pytest.fixture
async def two_hubs(house: House, programs: FakePrograms, attentive: None) -> AsyncIterator[tuple[Process, Process]]:
    """Return two hubs with the same service: whichever runs it, then the other."""
    made = [Process(house, name) for name in ("one", "two")]
    await house.when(lambda: any(each.running for each in made))
    first, second = sorted(made, key=lambda each: not each.running)
    yield first, second
    for each in made:
        each.store.away = False
        await each.keeper.close()


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_of_two_hubs_one_runs_a_service_and_the_other_when_that_ends(
    house: House, two_hubs: tuple[Process, Process]
) -> None:
    first, second = two_hubs
    for number in range(1, 4):
        await house.when(lambda number=number: len(first.programs.started) == number and first.running)
        first.programs.started[-1].end(-9)
    assert second.programs.started == []
    assert (second.keeper.pid_of("wiki"), second.programs.ended) == (0, 1)
    await first.keeper.close()
    await house.when(lambda: second.running)
    assert not first.running


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_a_hub_that_comes_back_late_ends_what_another_runs_by_now(
    house: House, two_hubs: tuple[Process, Process]
) -> None:
    first, second = two_hubs
    first.store.away = True
    await house.when(lambda: first.store.refused)
    house.clock.advance(leases.LEASE.total_seconds())
    await house.when(lambda: second.running)
    assert first.running, "nobody knows whether the store is away for all"
    with capture_logs() as logs:
        first.store.away = False
        await house.when(lambda: not first.running)
        await house.when(lambda: told(logs, "another hub process has taken the service over"))
    assert second.running
    assert first.keeper.pid_of("wiki") == 0
    assert len(first.programs.started) == 1


async def test_a_hub_that_ends_while_the_store_is_away_leaves_its_turn_to_time(
    house: House, two_hubs: tuple[Process, Process]
) -> None:
    first, second = two_hubs
    first.store.away = True
    with capture_logs() as logs:
        await first.keeper.close()
    assert told(logs, "other hubs take the services over") == 1
    assert not first.running
    house.clock.advance(leases.LEASE.total_seconds())
    await house.when(lambda: second.running)
