from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerAdopted, ServerFailed, ServerReady, ServerStopped, ServerStopRequested
from perijove.hub.core.servers import Command, Event, Server, State, Target
from perijove.hub.usecases import lifecycle as module
from perijove.hub.usecases.lifecycle import Lifecycle, Outcome, _keep
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.tasks import Tasks

House = Any
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
STAGES = ["queued", "starting", "answering", "routing", "ready"]
ONE = Limits(concurrent_starts=1)


def limits(stage: str) -> Limits:
    return ONE if stage == "queued" else Limits()


async def test_a_server_starts_is_ready_and_stops(house: House) -> None:
    hub = await house.hub()
    asked = await hub.start()
    assert asked.state is State.QUEUED
    ready = await house.until("ready")
    (run,) = house.world.running()
    assert ready.url == f"http://127.0.0.1:{run.port}"
    assert house.proxy.routes["/user/ada/"].target == ready.url
    assert house.probe.asked[0] == f"{ready.url}/user/ada/api"
    await hub.stop()
    stopped = await house.until("stopped")
    assert (stopped.url, stopped.spawner_state) == ("", {})
    assert house.world.running() == []
    assert house.proxy.routes == {}
    assert [type(fact) for fact in house.telemetry.facts[-3:]] == [ServerReady, ServerStopRequested, ServerStopped]


async def test_a_driver_ends_when_its_server_is_at_rest(house: House) -> None:
    hub = await house.hub()
    await hub.start()
    await house.until("ready")
    await hub.stop()
    await house.until("stopped")
    await house.when(lambda: not hub.lifecycle._drivers)
    assert hub.steps._spawners == {}
    assert (await house.row()).owner == ""


async def test_two_requests_at_once_make_one_process(house: House) -> None:
    hub = await house.hub()
    answers = await asyncio.gather(hub.start(), hub.start(), return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, PerijoveError)]
    assert refused.code is Code.CONFLICT
    await house.until("ready")
    assert len(house.world.runs) == 1


@pytest.mark.parametrize("stage", STAGES)
async def test_it_stops_at_every_stage(house: House, stage: str) -> None:
    hub = await house.hub(limits=limits(stage))
    server = await house.reach(hub, stage)
    await hub.stop()
    await house.until("stopped")
    assert [run for run in house.world.running() if run.server_id == server.id] == []
    async with house.store.transaction() as tx:
        assert await tx.tokens.list_of("user", server.user_id) == []


@pytest.mark.parametrize("stage", STAGES)
async def test_after_kill_9_every_server_goes_on_to_its_target(house: House, stage: str) -> None:
    before = await house.hub(limits=limits(stage))
    server = await house.reach(before, stage)
    earlier = [number for number, run in house.world.runs.items() if run.server_id == server.id]
    await before.die()
    assert (await house.row()).state.value == stage
    house.let_go(stage)
    await house.hub(limits=limits(stage))
    await house.until("ready")
    (run,) = [run for run in house.world.running() if run.server_id == server.id]
    if stage == "starting":
        assert house.world.runs[earlier[0]].ended.is_set()
    elif earlier:
        assert house.world.runs[earlier[0]] is run
        assert house.world.stopped_now == []
    if stage == "ready":
        await house.when(lambda: house.telemetry.of(ServerAdopted) == [ServerAdopted("ada/")])


async def test_after_kill_9_a_server_that_was_stopping_ends(house: House) -> None:
    before = await house.hub()
    await house.reach(before, "stopping")
    await before.die()
    house.let_go("stopping")
    await house.hub()
    await house.until("stopped")
    assert house.world.running() == []


async def test_the_lease_of_a_dead_process_runs_out(house: House) -> None:
    before = await house.hub(owner="one")
    await house.reach(before, "answering")
    await before.die()
    house.let_go("answering")
    after = house.process("two")
    await after.begin(alone=False)
    await house.when(lambda: not after.lifecycle._drivers)
    assert (await house.row()).owner == "one"
    house.clock.advance(module.LEASE.total_seconds() + 1)
    assert await after.lifecycle.sweep() == 1
    await house.until("ready")
    assert (await house.row()).owner == "two"


async def test_an_outcome_of_a_process_that_lost_its_lease_is_not_stored(house: House) -> None:
    before = await house.hub(owner="one")
    server = await house.reach(before, "answering")
    house.clock.advance(module.LEASE.total_seconds() + 1)
    async with house.store.transaction() as tx:
        assert await tx.servers.claim(server.id, "two", house.clock.now() + module.LEASE, house.clock.now())
    house.let_go("answering")
    await house.when(lambda: not before.lifecycle._drivers)
    assert (await house.row()).state is State.ANSWERING


async def test_ready_servers_that_a_dead_process_left_are_taken_over_together(house: House, scripted: Any) -> None:
    await house.user()
    async with house.store.transaction() as tx:
        (ada,) = (await tx.users.named(["ada"])).values()
        made = [await tx.servers.add(ada.id, f"lab{number}") for number in range(module.TAKEN_AT_ONCE + 3)]
    for server in made:
        await house.change(server, state=State.READY, target=Target.RUNNING, attempt=1)
    async with house.store.transaction() as tx:
        stopped, held = made[0], made[1]
        await tx.servers.claim(held.id, "another", house.clock.now() + module.LEASE, house.clock.now())
    watched: list[str] = []

    async def watch(server: Server) -> Outcome:
        watched.append(server.name)
        await asyncio.Event().wait()
        raise AssertionError

    hub = scripted(watch)
    hub.lifecycle._claimed = None  # no server is asked for by itself
    take = hub.lifecycle._take

    async def late(servers: Any) -> None:
        if stopped.id in {server.id for server in servers}:
            await house.change(await house.row(name=stopped.name), state=State.STOPPED)
        await take(servers)

    hub.lifecycle._take = late
    assert await hub.lifecycle.sweep() == len(made)
    await house.when(lambda: len(watched) == len(made) - 2)
    assert sorted(watched) == sorted(server.name for server in made[2:])
    assert {(await house.row(name=name)).owner for name in watched} == {hub.lifecycle._owner}
    assert [(await house.row(name=server.name)).owner for server in (stopped, held)] == ["", "another"]
    await hub.lifecycle.close()
    assert {(await house.row(name=name)).owner for name in watched} == {""}
    await take(made)
    assert {(await house.row(name=name)).owner for name in watched} == {""}


async def test_leases_are_renewed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.005)
    hub = await house.hub()
    await hub.start()
    until = (await house.until("ready")).lease_until
    house.clock.advance(20)
    async with asyncio.timeout(10):
        while (await house.row()).lease_until == until:
            await asyncio.sleep(0.005)


async def test_closing_leaves_servers_as_they_are_and_gives_the_leases_up(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.lifecycle.close()
    row = await house.row()
    assert (row.state, row.owner, len(house.world.running())) == (State.READY, "", 1)
    hub.lifecycle.wake(row.id, State.STOPPING)
    assert hub.lifecycle._drivers == {}


@pytest.mark.parametrize("stage", STAGES)
async def test_nothing_is_lost_while_the_store_is_away(house: House, stage: str) -> None:
    hub = await house.hub(limits=limits(stage))
    server = await house.reach(hub, stage)
    house.store.away = True
    house.let_go(stage)
    if stage == "ready":
        house.world.log = "the last line"
        house.world.end(server.id, 3)
    elif stage != "starting":
        await house.when(lambda: house.store.refused > 2)
    house.store.away = False
    if stage == "starting":
        # It hangs in the spawner for good; whoever asked for it gives it up.
        await hub.stop()
        await house.until("stopped")
        return
    row = await house.until("failed" if stage == "ready" else "ready")
    assert row.failure is None or "exit status 3" in row.failure.reason
    assert len([run for run in house.world.running() if run.server_id == server.id]) == (stage != "ready")


async def test_the_store_may_go_away_at_any_moment_of_a_start(house: House) -> None:
    """Refuse the n-th transaction and the two after it, for every n that a start and a stop have."""
    hub = await house.hub()
    for nth in range(1, 16):
        count = 0
        check = house.store._check

        def refuse(nth: int = nth, check: Any = check) -> None:
            nonlocal count
            count += 1
            house.store.away = nth <= count <= nth + 2
            check()

        house.store._check = refuse
        asked = False
        for _ in range(10):
            try:
                await hub.start()
                asked = True
                break
            except PerijoveError as error:
                if error.code is Code.CONFLICT:
                    asked = True
                    break
        assert asked
        row = await house.until("ready")
        assert row.failure is None
        assert len(house.world.running()) == 1, nth
        house.store._check = check
        house.store.away = False
        await hub.lifecycle.sweep()
        await hub.stop()
        await house.until("stopped")
        assert house.world.running() == [], nth


async def test_the_store_may_go_away_while_a_server_stops(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "stopping")
    house.store.away = True
    house.let_go("stopping")
    await house.when(lambda: house.store.refused > 2)
    house.store.away = False
    await house.until("stopped")


class Scripted:
    """A life cycle whose steps are one coroutine of the test's."""

    def __init__(self, house: House, step: Any) -> None:
        self.tasks, self.signals = Tasks(), Signals()
        self.lifecycle = Lifecycle(house.ctx, self.signals, self.tasks, "scripted")
        self.lifecycle.begin(dict.fromkeys(Command, step), lambda server_id: None, _keep)


@pytest.fixture
async def scripted(house: House) -> Any:
    made: list[Scripted] = []

    def make(step: Any) -> Scripted:
        made.append(Scripted(house, step))
        return made[-1]

    yield make
    for each in made:
        await each.tasks.close()


async def queued(house: House) -> Server:
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        server = await tx.servers.add(user.id, "")
    return await house.change(server, state=State.QUEUED, attempt=1, requested=house.clock.now())  # type: ignore[no-any-return]


async def test_every_command_needs_a_step(house: House) -> None:
    with pytest.raises(ValueError, match="no step for"):
        Lifecycle(house.ctx, Signals(), Tasks(), "x").begin({}, lambda server_id: None, _keep)


@pytest.mark.parametrize("error", [RuntimeError("broken"), PerijoveError(Code.FAILED, "no"), asyncio.CancelledError()])
async def test_a_driver_survives_whatever_a_step_raises(house: House, scripted: Any, error: BaseException) -> None:
    tries = 0

    async def step(server: Server) -> Outcome:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise error
        await asyncio.Event().wait()
        raise AssertionError

    server = await queued(house)
    made = scripted(step)
    with capture_logs() as logs:
        made.lifecycle.wake(server.id, server.state)
        await house.when(lambda: tries == 4)
    assert len([line for line in logs if "trying again" in line["event"]]) == 3


async def test_an_impossible_event_changes_nothing_and_is_tried_again_slowly(house: House, scripted: Any) -> None:
    tries = 0

    async def step(server: Server) -> Outcome:
        nonlocal tries
        tries += 1
        return Outcome(Event.ROUTED)

    server = await queued(house)
    made = scripted(step)
    made.lifecycle.wake(server.id, server.state)
    await house.when(lambda: tries == 3)
    assert (await house.row()).state is State.QUEUED


async def test_a_change_breaks_the_step_off_once_and_waits_for_its_cleaning_up(house: House, scripted: Any) -> None:
    began, cleaned, seen = asyncio.Event(), asyncio.Event(), []

    async def step(server: Server) -> Outcome:
        seen.append(server.state)
        if server.state is State.STOPPING:
            assert cleaned.is_set()
            return Outcome(Event.ENDED)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            made.lifecycle.wake(server.id, State.STOPPING)
            for _ in range(5):
                await asyncio.sleep(0)
            cleaned.set()
        raise AssertionError

    server = await queued(house)
    made = scripted(step)
    made.lifecycle.wake(server.id, server.state)
    await began.wait()
    await house.change(await house.row(), state=State.STOPPING)
    made.lifecycle.wake(server.id, State.STOPPING)
    await house.until("stopped")
    assert seen == [State.QUEUED, State.STOPPING]


async def test_a_step_that_ends_although_it_was_broken_off_counts_for_nothing(house: House, scripted: Any) -> None:
    began = asyncio.Event()

    async def step(server: Server) -> Outcome:
        if server.state is State.STOPPING:
            return Outcome(Event.ENDED)
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Outcome(Event.ADMITTED)
        raise AssertionError

    server = await queued(house)
    made = scripted(step)
    made.lifecycle.wake(server.id, server.state)
    await began.wait()
    await house.change(await house.row(), state=State.STOPPING)
    made.lifecycle.wake(server.id, State.STOPPING)
    await house.until("stopped")


async def test_a_wake_up_while_a_driver_ends_is_not_lost(house: House, scripted: Any) -> None:
    """The row changes after the driver has read it at rest and before the driver is gone."""
    admitted = asyncio.Event()

    async def step(server: Server) -> Outcome:
        admitted.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = await house.change(await queued(house), state=State.STOPPED)
    made = scripted(step)
    claimed = made.lifecycle._claimed

    async def late(server_id: int) -> Server | None:
        read: Server | None = await claimed(server_id)
        if read is not None and read.state is State.STOPPED:
            await house.change(await house.row(), state=State.QUEUED)
            made.lifecycle.wake(server_id, State.QUEUED)
            await asyncio.sleep(0)
        return read

    made.lifecycle._claimed = late
    made.lifecycle.wake(server.id, server.state)
    async with asyncio.timeout(5):
        await admitted.wait()


async def test_a_wake_up_before_the_step_begins_is_not_lost(house: House, scripted: Any) -> None:
    """The row changes after the driver has read it and before there is a step to break off."""
    seen: list[State] = []

    async def step(server: Server) -> Outcome:
        seen.append(server.state)
        return Outcome(Event.ENDED)

    server = await queued(house)
    made = scripted(step)
    claimed = made.lifecycle._claimed

    async def late(server_id: int) -> Server | None:
        read: Server | None = await claimed(server_id)
        if read is not None and read.state is State.QUEUED:
            await house.change(await house.row(), state=State.STOPPING)
            made.lifecycle.wake(server_id, State.STOPPING)
        return read

    made.lifecycle._claimed = late
    made.lifecycle.wake(server.id, server.state)
    await house.until("stopped")
    assert seen == [State.STOPPING]


async def test_many_starts_and_stops_in_a_row_lose_nothing(house: House) -> None:
    hub = await house.hub()
    for _ in range(15):
        await hub.start()
        await house.until("ready")
        await hub.stop()
        await house.until("stopped")
    assert house.world.running() == []
    assert (await house.row()).attempt == 15


async def test_a_deleted_server_lets_its_driver_go(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    async with house.store.transaction() as tx:
        await tx.servers.delete(server.id)
    house.world.end(server.id)
    await house.when(lambda: not hub.lifecycle._drivers)


async def test_a_server_that_ends_when_ready_did_not_fail_to_start(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.end(server.id, 1)
    failed = await house.until("failed")
    assert (await house.messages(failed))[-1] == "Server ready"
    (fact,) = house.telemetry.of(ServerFailed)
    assert "exit status 1" in fact.reason
