from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from perijove.hub.core.admission import Limits, Place
from perijove.hub.core.servers import State
from perijove.hub.usecases.queue import TOLD_APART, Queue

House = Any


async def test_who_waits_knows_place_and_time(house: House) -> None:
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    hub.lifecycle.recent_starts.extend([4.0, 4.0])
    server = await house.reach(hub, "queued")
    assert await hub.servers.place(server) == Place(1, 4)
    async with asyncio.timeout(10):
        steps = await hub.servers.progress(house.admin, "ada", "")
        async for step in steps:
            if step is not None and step.queue is not None and "number 1" in step.message:
                break
    assert step.as_wire()["queue"] == {"position": 1, "seconds": 4}
    assert step.message == "Waiting for a free place: number 1 in the queue, about 4 seconds"
    house.let_go("queued")
    ready = await house.until("ready")
    assert await hub.servers.place(ready) is None


async def test_how_long_starts_take_is_learnt_from_when_they_left_the_queue(house: House) -> None:
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    await house.reach(hub, "answering")
    house.clock.advance(7)
    house.let_go("answering")
    await house.until("ready")
    assert list(hub.lifecycle.recent_starts) == [7.0]


async def test_waiting_has_a_clock_of_its_own_that_no_restart_sets_back(house: House) -> None:
    limits = Limits(concurrent_starts=1, queue_seconds=60)
    before = await house.hub(limits=limits)
    await house.reach(before, "queued")
    house.clock.advance(59)
    await before.die()
    assert (await house.row()).state is State.QUEUED
    house.clock.advance(1)
    await house.hub(limits=limits)
    failed = await house.until("failed")
    assert failed.failure.reason == "The server did not get a free place within 60 seconds."
    assert [run for run in house.world.runs.values() if run.server_id == failed.id] == []


async def test_thirty_at_once_all_come_up_in_order(house: House) -> None:
    names = [f"u{number:02}" for number in range(30)]
    for name in names:
        await house.user(name)
    hub = await house.hub(limits=Limits(concurrent_starts=4))
    for name in names:
        await hub.start(name)
        house.clock.advance(0.001)
    ready = [await house.until("ready", name) for name in names]
    order = {run.server_id: place for place, run in enumerate(house.world.runs.values())}
    assert len(order) == len(house.world.runs) == 30
    # Those that leave the queue together may begin in any order.
    assert all(abs(order[server.id] - place) < 4 for place, server in enumerate(ready))


async def test_all_who_wait_share_a_look(house: House) -> None:
    names = [f"u{number:02}" for number in range(20)]
    for name in names:
        await house.user(name)
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    house.hold("answering")
    for name in names:
        await hub.start(name)
        house.clock.advance(0.001)
    await house.until("answering", names[0])
    looks = 0

    async def stored(work: Any) -> Any:
        nonlocal looks
        looks += 1
        return await hub.lifecycle.stored(work)

    waiting = [await house.row(name) for name in names[1:]]
    lifecycle: Any = SimpleNamespace(stored=stored, recent_starts=[])
    queue = Queue(house.ctx, lifecycle, hub.signals, Limits(concurrent_starts=1))
    asked = [asyncio.create_task(queue.place(server)) for server in waiting]
    await asyncio.sleep(0)
    asked[0].cancel()
    places = await asyncio.gather(*asked[1:])
    assert [place.position for place in places] == list(range(2, 20))
    assert (await queue.place(waiting[0])).position == 1
    assert looks == 2


async def test_without_a_limit_nobody_looks(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    nothing: Any = None
    assert await Queue(house.ctx, nothing, hub.signals, Limits()).place(server) == Place(0)


async def test_who_waits_is_not_told_of_every_step_that_the_queue_takes(house: House) -> None:
    names = [f"u{number}" for number in range(3)]
    for name in names:
        await house.user(name)
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    await house.reach(hub, "queued")
    for name in names:
        await hub.start(name)
        house.clock.advance(0.01)

    async def told() -> list[str]:
        return [message for message in await house.messages(await house.row(names[-1])) if "number" in message]

    async def until(position: int) -> list[str]:
        async with asyncio.timeout(10):
            while not any(f"number {position} " in message for message in await told()):
                await asyncio.sleep(0.003)
        return await told()

    assert len(await until(4)) == 1
    for name in ("ada", names[0]):
        await hub.stop(name)
        await house.until("stopped", name)
    house.clock.advance(TOLD_APART)
    assert len(await until(2)) == 2
