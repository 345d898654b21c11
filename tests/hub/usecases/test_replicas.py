"""Several hub processes at once on one store: each server is one hub's work, whichever is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.admission import Limits
from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import State
from perijove.hub.testing.fakes import FakeSpawner
from perijove.hub.usecases import lifecycle as module

House = Any
STAGES = ["queued", "starting", "answering", "routing", "ready"]
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hubs look often for what others did."""
    monkeypatch.setattr(module, "NEWS_INTERVAL", 0.01)


async def two_hubs(house: House, limits: Limits | None = None) -> Any:
    one, two = house.process("one", limits), house.process("two", limits)
    await one.begin(alone=False)
    await two.begin(alone=False)
    return one, two


async def watched(house: House, hub: Any) -> Any:
    """Return ada's server, ready and watched by *hub*, which has nothing more to write about it."""
    server = await house.reach(hub, "ready")
    await house.when(lambda: (driver := hub.lifecycle._drivers[server.id]).state is State.READY and driver.step)
    return await house.row()


@pytest.mark.parametrize("stage", STAGES)
async def test_a_server_stops_at_every_stage_whichever_hub_is_asked(house: House, stage: str) -> None:
    one, two = await two_hubs(house, Limits(concurrent_starts=1) if stage == "queued" else None)
    server = await house.reach(one, stage)
    await two.stop()
    await house.until("stopped")
    assert [run for run in house.world.running() if run.server_id == server.id] == []


async def test_one_start_asked_of_two_hubs_at_once_makes_one_process(house: House) -> None:
    one, two = await two_hubs(house)
    answers = await asyncio.gather(one.start(), two.start(), return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, PerijoveError)]
    assert refused.code is Code.CONFLICT
    await house.until("ready")
    assert len(house.world.runs) == 1


async def test_hubs_leave_each_others_servers_alone(house: House) -> None:
    one, two = await two_hubs(house)
    await watched(house, one)
    assert await two.lifecycle.sweep() == 1
    assert two.lifecycle._drivers == {}


async def test_a_look_at_an_old_row_breaks_nothing_off(house: House) -> None:
    one, _ = await two_hubs(house)
    await house.reach(one, "answering")
    (driver,) = one.lifecycle._drivers.values()
    step = driver.step
    # A look of its own may have come between two steps.
    driver.news.clear()
    await one.lifecycle.sweep()
    assert driver.step is step
    assert not driver.news.is_set()


class Suspended(FakeSpawner):
    """Stands still before it makes a process, as where the machine of its hub was put to sleep."""

    awake = asyncio.Event()

    async def start(self) -> Any:
        awake = self.awake
        await awake.wait()
        return await super().start()


async def sleeping_and_new_hub(house: House) -> Any:
    """Return two hubs, of which the second took over while the first stood still within the start of a server."""
    one, two = await two_hubs(house)
    wake_up = asyncio.Event()
    asleep = type("Asleep", (Suspended,), {"world": house.world, "awake": wake_up})
    awake = house.spawner_class
    house.spawner_class = asleep
    await one.start()
    await house.until("starting")
    await house.when(lambda: house.spawners and isinstance(house.spawners[-1], asleep))
    house.spawner_class = awake
    house.clock.advance(module.LEASE.total_seconds() + 1)
    await two.lifecycle.sweep()
    ready = await house.until("ready")
    assert ready.owner == "two"
    return one, ready, wake_up


async def test_a_hub_that_wakes_up_too_late_starts_nothing_beside_the_next_one(house: House) -> None:
    one, ready, wake_up = await sleeping_and_new_hub(house)
    async with house.store.transaction() as tx:
        (token,) = await tx.tokens.list_of("user", ready.user_id)
    wake_up.set()
    await house.when(lambda: not one.lifecycle._drivers)
    row = await house.row()
    (run,) = house.world.running()
    assert (row.state, row.spawner_state["run"]) == (State.READY, ready.spawner_state["run"])
    assert house.world.runs[row.spawner_state["run"]] is run
    async with house.store.transaction() as tx:
        assert await tx.tokens.list_of("user", ready.user_id) == [token]


async def begun_and_taken_over(house: House) -> asyncio.Task[Any]:
    """Return a start whose process is made, of a server that another hub has by now."""
    one = house.process("one")
    await one.begin(alone=False)
    server = await house.reach(one, "starting")
    await one.lifecycle.close()
    house.world.runs.clear()
    begun = asyncio.create_task(one.steps.start(await house.change(server, owner="one", spawner_state={})))
    await house.when(house.world.running)
    await house.change(await house.row(), attempt=server.attempt + 1, owner="two", spawner_state={})
    return begun


async def test_a_start_broken_off_when_it_is_another_hubs_already_leaves_no_process(house: House) -> None:
    begun = await begun_and_taken_over(house)
    begun.cancel()
    await asyncio.wait({begun})
    assert house.world.running() == []


async def test_what_a_start_that_is_over_made_is_ended_also_if_that_is_broken_off(house: House) -> None:
    begun = await begun_and_taken_over(house)
    house.world.stop_failure = RuntimeError("not now")
    house.world.stopped_now.clear()
    begun.cancel()
    await house.when(lambda: house.world.stopped_now)
    begun.cancel()
    house.world.stop_failure = None
    await asyncio.wait({begun})
    assert begun.cancelled()
    assert house.world.running() == []


async def test_a_hub_that_had_a_server_before_does_not_take_an_old_run_for_the_new_one(house: House) -> None:
    one, two = await two_hubs(house)
    await watched(house, one)
    # The second hub takes the server over while the first sleeps, and starts it anew.
    house.clock.advance(module.LEASE.total_seconds() + 1)
    await two.lifecycle.sweep()
    await house.when(lambda: two.steps._spawners)
    await two.stop()
    await house.until("stopped")
    again = await watched(house, two)
    await two.die()
    house.clock.advance(module.LEASE.total_seconds() + 1)
    await one.lifecycle.sweep()
    await house.when(lambda: one.lifecycle._drivers)
    for _ in range(20):
        await asyncio.sleep(0.005)
    row = await house.row()
    assert (row.state, row.failure, row.spawner_state) == (State.READY, None, again.spawner_state)
    await one.stop()
    await house.until("stopped")
    assert house.world.running() == []


async def test_a_server_is_given_to_the_next_hub_when_its_own_dies(house: House) -> None:
    one, two = await two_hubs(house)
    before = await watched(house, one)
    await one.die()
    house.clock.advance(module.LEASE.total_seconds() + 1)
    await two.lifecycle.sweep()
    async with asyncio.timeout(10):
        while (await house.row()).owner != "two":
            await asyncio.sleep(0.005)
    (run,) = house.world.running()
    assert house.world.runs[before.spawner_state["run"]] is run
    assert house.telemetry.of(DriftFound) == [DriftFound(Drift.ABANDONED, "ada/")]


async def test_what_memory_holds_of_an_earlier_attempt_is_not_used_for_the_next(house: House) -> None:
    one, _ = await two_hubs(house)
    server = await watched(house, one)
    before = one.steps.spawner(server)
    assert one.steps.spawner(server) is before
    later = one.steps.spawner(replace(server, attempt=2, spawner_state={"run": "another"}))
    assert later is not before
    assert later.get_state() == {"run": "another"}
