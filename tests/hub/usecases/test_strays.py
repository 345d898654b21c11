from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.ports.spawner import Spawner
from perijove.hub.testing.fakes import FakeRun
from perijove.hub.usecases import strays as module
from perijove.hub.usecases.strays import Strays

House = Any


@pytest.fixture
def strays(house: House) -> Strays:
    return Strays(house.ctx, house.new_spawner)


async def test_what_no_server_started_is_ended_and_what_one_did_goes_on(house: House, strays: Strays) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.runs["forgotten"] = FakeRun(99, 20099)
    await strays.end()
    (run,) = house.world.running()
    assert run.server_id == server.id
    assert house.telemetry.of(DriftFound) == [DriftFound(Drift.STRAY, "run forgotten")]
    await strays.end()
    assert len(house.telemetry.of(DriftFound)) == 1


@pytest.mark.parametrize("stage", ["starting", "answering", "routing", "ready", "stopping"])
async def test_servers_on_their_way_are_left_alone(house: House, strays: Strays, stage: str) -> None:
    hub = await house.hub()
    server = await house.reach(hub, stage)
    asked = len(house.world.stopped_now)
    await strays.end()
    assert [run.server_id for run in house.world.running()] == [server.id]
    assert house.telemetry.of(DriftFound) == []
    if stage != "stopping":
        assert len(house.world.stopped_now) == asked


async def test_what_begins_to_run_during_the_look_is_left_alone(house: House, strays: Strays) -> None:
    """What is found was stored before: a server that starts between the look and the reading is known by then."""
    hub = await house.hub()
    looked = house.spawner_class.find_runs

    async def slow_look(spawner: Any) -> Any:
        await hub.start()
        await house.until("ready")
        return await looked(spawner)

    house.spawner_class.find_runs = slow_look
    await strays.end()
    assert len(house.world.running()) == 1


async def test_not_knowing_ends_nothing(house: House, strays: Strays) -> None:
    house.world.runs["forgotten"] = FakeRun(99, 20099)
    house.world.unknown = True
    with capture_logs() as logs:
        await strays.end()
    assert [line["event"] for line in logs] == ["what runs cannot be found out"]
    assert len(house.world.running()) == 1


async def test_one_that_cannot_be_ended_keeps_nobody_from_the_others(house: House, strays: Strays) -> None:
    for name in ("first", "second"):
        house.world.runs[name] = FakeRun(99, 20099)
    ended: list[str] = []

    async def end_run(spawner: Any, run: str) -> None:
        if run == "first":
            raise RuntimeError("no")
        ended.append(run)

    house.spawner_class.end_run = end_run
    await strays.end()
    assert ended == ["second"]
    assert house.telemetry.of(DriftFound) == [DriftFound(Drift.STRAY, "run second")]


async def test_a_spawner_that_cannot_look_is_not_asked(house: House) -> None:
    await Strays(house.ctx, lambda server: Spawner()).end()
    assert house.telemetry.of(DriftFound) == []


async def test_the_look_comes_at_once_and_again(house: House, strays: Strays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    hub = house.process()
    for name in ("first", "second"):
        house.world.runs[name] = FakeRun(99, 20099)
        if name == "first":
            strays.begin(hub.tasks)
        await house.when(lambda: not house.world.running())
    assert [fact.what for fact in house.telemetry.of(DriftFound)] == ["run first", "run second"]
    await asyncio.sleep(0)
