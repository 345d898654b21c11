"""Every method of a spawner may hang, raise or lie: what its user sees then, and that the hub goes on for others.

In each case ada's spawner is broken, and ben's, of the same class, is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from perijove.hub.core.servers import Server, State
from perijove.hub.testing.fakes import FakeSpawner
from perijove.hub.usecases import steps as module

House = Any


async def hang() -> Any:
    """Come back never."""
    await asyncio.Event().wait()


class Faulty(FakeSpawner):
    """Does what a `FakeSpawner` does, and for ada what a fault says instead."""

    stop_timeout = 0.05

    @property
    def broken(self) -> bool:
        """Whether it is ada's."""
        return self.user.name == "ada"


class StartHangs(Faulty):
    async def start(self) -> Any:
        address = await super().start()
        return await hang() if self.broken else address


class StartRaises(Faulty):
    async def start(self) -> Any:
        address = await super().start()
        if self.broken:
            raise OSError("the disk is full")
        return address


class StartLies(Faulty):
    async def start(self) -> Any:
        address = await super().start()
        return "over there" if self.broken else address


class StartBlocks(Faulty):
    """Written without async, and comes back in its own time."""

    def start(self) -> Any:
        return hang() if self.broken else super().start()


class AnswersThenDies(Faulty):
    async def wait_exit(self) -> int | None:
        if not self.broken:
            return await super().wait_exit()
        self.world.log = "Killed"
        self.world.end(self.server_id, -9)
        return -9


class PollRaises(Faulty):
    async def poll(self) -> int | None:
        if self.broken:
            raise ConnectionError("no route to the cluster")
        return await super().poll()


class PollHangs(Faulty):
    async def poll(self) -> int | None:
        return await hang() if self.broken else await super().poll()


class PollRambles(Faulty):
    async def poll(self) -> Any:
        return {"phase": "Running"} if self.broken else await super().poll()


class PollSaysEnded(Faulty):
    async def poll(self) -> int | None:
        return 7 if self.broken else await super().poll()


class PollSaysRunning(Faulty):
    async def poll(self) -> int | None:
        return None if self.broken else await super().poll()


class StopHangsOnce(Faulty):
    async def stop(self, now: bool = False) -> None:
        if self.broken and not self.world.stopped_now:
            self.world.stopped_now.append(now)
            await hang()
        await super().stop(now)


class StopRaisesOnce(Faulty):
    async def stop(self, now: bool = False) -> None:
        if self.broken and not self.world.stopped_now:
            self.world.stopped_now.append(now)
            raise RuntimeError("try again")
        await super().stop(now)


class StopDoesNothingOnce(Faulty):
    async def stop(self, now: bool = False) -> None:
        if self.broken and not self.world.stopped_now:
            self.world.stopped_now.append(now)
            return
        await super().stop(now)


class ProgressRaises(Faulty):
    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        if self.broken:
            raise RuntimeError("nothing to tell")
        yield {}


class ProgressHangs(Faulty):
    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        yield await hang() if self.broken else {}


class ProgressRambles(Faulty):
    async def progress(self) -> AsyncIterator[Any]:
        yield "half done" if self.broken else {}


class GetStateRaises(Faulty):
    def get_state(self) -> dict[str, Any]:
        if self.broken and self.run is not None:
            raise KeyError("pod")
        return super().get_state()


class GetStateLies(Faulty):
    def get_state(self) -> Any:
        return {"run": object()} if self.broken and self.run is not None else super().get_state()


class LoadStateRaises(Faulty):
    def load_state(self, state: Mapping[str, Any]) -> None:
        if self.broken:
            raise KeyError("pod")
        super().load_state(state)


class ClearStateRaises(Faulty):
    def clear_state(self) -> None:
        if self.broken:
            raise RuntimeError("nothing to clear")
        super().clear_state()


class LogRaises(StartRaises):
    def read_log(self, lines: int) -> str:
        raise PermissionError("log")


class DeathIsSignalledWrongly(Faulty):
    async def wait_exit(self) -> int | None:
        if self.broken:
            raise RuntimeError("who knows")
        return await super().wait_exit()


WRONG = "Something went wrong"
FAILING = {
    StartHangs: "The server did not start within 0.2 seconds.",
    StartRaises: WRONG,
    StartLies: "The spawner did not say where the server listens.",
    StartBlocks: "The server did not start within 0.2 seconds.",
    AnswersThenDies: "killed by signal SIGKILL",
    PollSaysEnded: "The server ended with exit status 7 before it was ready.",
    GetStateRaises: WRONG,
    GetStateLies: "What Faulty.get_state() gave cannot be stored: It holds a value that cannot be stored as JSON.",
    LoadStateRaises: WRONG,
    ClearStateRaises: WRONG,
    LogRaises: WRONG,
}
HARMLESS = [
    PollRaises,
    PollHangs,
    PollRambles,
    PollSaysRunning,
    StopHangsOnce,
    StopRaisesOnce,
    StopDoesNothingOnce,
    ProgressRaises,
    ProgressHangs,
    ProgressRambles,
    DeathIsSignalledWrongly,
]


@pytest.fixture
async def broken(house: House, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub whose spawner is the one of the test, and that has little patience."""
    monkeypatch.setattr(module, "POLL_TIMEOUT", 0.05)
    house.spawner_class = type("Faulty", (request.param,), {"world": house.world})
    house.spawner_options = {"start_timeout": 0.2, "poll_interval": 0.05}
    await house.user("ben")
    return await house.hub()


def test_every_fault_is_tried() -> None:
    faults = {kind for kind in globals().values() if isinstance(kind, type) and issubclass(kind, Faulty)}
    assert faults - {Faulty} == {*FAILING, *HARMLESS}


async def others_go_on(house: House, hub: Any) -> None:
    """Start and stop ben's server."""
    await hub.start("ben")
    await house.until("ready", "ben")
    await hub.stop("ben")
    await house.until("stopped", "ben")


def runs_of(house: House, server: Server) -> list[Any]:
    return [run for run in house.world.running() if run.server_id == server.id]


@pytest.mark.parametrize(("broken", "reason"), FAILING.items(), indirect=["broken"])
async def test_a_start_that_fails_says_why_and_leaves_nothing(house: House, broken: Any, reason: str) -> None:
    await broken.start()
    await others_go_on(house, broken)
    failed = await house.until("failed")
    assert reason in failed.failure.reason
    assert failed.failure.advice or reason != WRONG
    assert runs_of(house, failed) == []
    assert house.proxy.routes == {}
    async with house.store.transaction() as tx:
        assert await tx.tokens.list_of("user", failed.user_id) == []
    # It may be tried again, by the same hub.
    await broken.start()
    assert (await house.until("failed")).attempt == 2


@pytest.mark.parametrize("broken", HARMLESS, indirect=True)
async def test_a_server_that_runs_is_used_and_stopped_all_the_same(house: House, broken: Any) -> None:
    await broken.start()
    ready = await house.until("ready")
    await others_go_on(house, broken)
    assert (await house.row()).state is State.READY
    assert len(runs_of(house, ready)) == 1
    house.world.stopped_now.clear()
    await broken.stop()
    stopped = await house.until("stopped")
    assert stopped.failure is None
    assert runs_of(house, stopped) == []
    await broken.start()
    await house.until("ready")


@pytest.mark.parametrize("broken", [PollSaysRunning], indirect=True)
async def test_a_spawner_that_insists_that_a_stopped_server_runs_is_not_believed(house: House, broken: Any) -> None:
    await broken.start()
    await house.until("ready")
    await broken.stop()
    await house.until("stopped")
    assert len(house.world.stopped_now) == module.STOPS_BELIEVED


@pytest.mark.parametrize("broken", [Faulty], indirect=True)
async def test_what_the_next_hub_cannot_read_is_kept_until_it_can(house: House, broken: Any) -> None:
    await broken.start()
    before = await house.until("ready")
    await broken.die()
    sound, house.spawner_class = house.spawner_class, type("Faulty", (LoadStateRaises,), {"world": house.world})
    unlucky = await house.hub()
    await others_go_on(house, unlucky)
    await unlucky.stop()
    await house.when(lambda: unlucky.lifecycle._drivers[before.id].failures > 1)
    row = await house.row()
    assert (row.state, row.spawner_state, len(house.world.running())) == (State.STOPPING, before.spawner_state, 1)
    await unlucky.die()
    house.spawner_class = sound
    await house.hub()
    await house.until("stopped")
    assert house.world.running() == []
