from __future__ import annotations

from datetime import UTC, datetime

import pytest

from perijove.hub.core import events
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.clock import Clock
from perijove.hub.ports.passwords import PasswordHasher
from perijove.hub.ports.spawner import KeepsLog, SignalsExit
from perijove.hub.ports.telemetry import Telemetry
from perijove.hub.testing.fakes import (
    FakeClock,
    FakeProxy,
    FakeSpawner,
    FakeWorld,
    PlainPasswordHasher,
    RecordingTelemetry,
)


def spawner(world: FakeWorld) -> FakeSpawner:
    made = world.spawner_class()()
    made.server_id = 1
    return made


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    port: Clock = clock
    before, moment = port.now(), port.monotonic()
    clock.advance(90)
    assert (clock.now() - before).total_seconds() == 90
    assert clock.monotonic() - moment == 90
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now().year == 2030
    assert clock.monotonic() - moment == 90


def test_facts_are_kept_in_order_and_found_by_kind() -> None:
    telemetry = RecordingTelemetry()
    port: Telemetry = telemetry
    port.emit(events.SignedIn("alice"))
    port.emit(events.SignedOut("alice"))
    assert telemetry.facts == [events.SignedIn("alice"), events.SignedOut("alice")]
    assert telemetry.of(events.SignedOut) == [events.SignedOut("alice")]


async def test_plain_hashes_verify() -> None:
    hasher: PasswordHasher = PlainPasswordHasher()
    stored = await hasher.hash("hunter2")
    assert "hunter2" not in stored
    assert await hasher.verify(stored, "hunter2")
    assert not await hasher.verify(stored, "hunter3")
    assert not await hasher.verify(None, "hunter2")


async def test_worlds_do_not_share_servers() -> None:
    one, other = FakeWorld(), FakeWorld()
    await spawner(one).start()
    assert len(one.running()) == 1
    assert other.running() == []


async def test_a_server_that_ends_by_itself_gives_its_status() -> None:
    world = FakeWorld()
    server = spawner(world)
    await server.start()
    world.end(1, status=3)
    assert await server.poll() == 3
    assert await server.wait_exit() == 3


async def test_switches_spoil_what_the_spawner_does() -> None:
    world = FakeWorld()
    server = spawner(world)
    world.unknown = True
    with pytest.raises(PerijoveError) as unknown:
        await server.poll()
    assert unknown.value.code is Code.UNAVAILABLE
    world.lie = 42
    assert await server.start() == 42
    world.start_failure = world.stop_failure = RuntimeError("no")
    for act in (server.start, server.stop):
        with pytest.raises(RuntimeError):
            await act()


async def test_stops_tell_whether_they_were_at_once() -> None:
    world = FakeWorld()
    server = spawner(world)
    await server.start()
    await server.stop(True)
    assert await server.poll() == -9
    await server.stop()
    assert world.stopped_now == [True, False]


async def test_optional_abilities_are_there() -> None:
    world = FakeWorld()
    world.log, world.steps = "a\nb\nc", [{"progress": 5, "message": "on it"}]
    server = spawner(world)
    assert isinstance(server, SignalsExit)
    assert isinstance(server, KeepsLog)
    assert server.read_log(2) == "b\nc"
    assert [step async for step in server.progress()] == world.steps
    assert await server.wait_exit() is None


async def test_a_crashed_proxy_has_no_routes_and_takes_none() -> None:
    proxy = FakeProxy()
    assert await proxy.start()
    await proxy.add_route("/", "http://127.0.0.1:9", {})
    proxy.crash()
    assert not await proxy.is_running()
    with pytest.raises(PerijoveError):
        await proxy.add_route("/", "http://127.0.0.1:9", {})
    assert await proxy.start()
    assert await proxy.get_all_routes() == {}
    assert proxy.starts == 2
    proxy.failure = OSError("away")
    for act in (proxy.start, proxy.is_running, proxy.get_all_routes):
        with pytest.raises(OSError, match="away"):
            await act()
