from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.core.servers import Server, State
from perijove.hub.core.usage import Usage
from perijove.hub.ports.spawner import Spawner
from perijove.hub.testing.fakes import FakeClock
from perijove.hub.usecases import usages
from perijove.hub.usecases.tasks import Tasks
from perijove.hub.usecases.usages import FRESH, OLDEST, Usages

ADA = Server(1, 1, "ada", "", state=State.READY, attempt=1)
BOB = Server(2, 2, "bob", "", state=State.READY, attempt=1)


class Measuring(Spawner):
    """Says what it is told to, or raises it; waits for `gate` first."""

    def __init__(self) -> None:
        super().__init__()
        self.said: Any = Usage(1000, 2000)
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def usage(self) -> Any:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.fixture
def spawner() -> Measuring:
    return Measuring()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def used(spawner: Measuring, clock: FakeClock) -> AsyncIterator[Usages]:
    tasks = Tasks()
    yield Usages(clock, tasks, lambda server: spawner if server.user_name == "ada" else Spawner())
    await tasks.close()


async def test_a_spawner_that_can_tell_is_asked_about_servers_that_run(used: Usages, spawner: Measuring) -> None:
    assert await used.of([ADA, BOB]) == {1: Usage(1000, 2000)}
    assert await used.of([replace(ADA, state=State.STOPPED, attempt=2)]) == {}
    assert spawner.asked == 1


async def test_an_answer_is_good_for_some_seconds_and_for_one_run(
    used: Usages, spawner: Measuring, clock: FakeClock
) -> None:
    await used.of([ADA])
    clock.advance(FRESH - 0.1)
    await used.of([ADA])
    assert spawner.asked == 1
    clock.advance(0.2)
    spawner.said = Usage(3000)
    assert await used.of([ADA]) == {1: Usage(3000)}
    await used.of([replace(ADA, attempt=2)])
    assert spawner.asked == 3


@pytest.mark.parametrize("said", [RuntimeError("broken"), "much", None])
async def test_what_is_not_known_is_left_out(used: Usages, spawner: Measuring, said: Any) -> None:
    spawner.said = said
    with capture_logs() as logs:
        assert await used.of([ADA]) == {}
    assert bool(logs) == (said is not None)


async def test_nobody_waits_long_and_the_last_answer_serves_meanwhile(
    used: Usages, spawner: Measuring, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await used.of([ADA])
    monkeypatch.setattr(usages, "PATIENCE", 0.01)
    spawner.gate.clear()
    spawner.said = Usage(5)
    clock.advance(FRESH)
    for _ in range(3):
        assert await used.of([ADA]) == {1: Usage(1000, 2000)}
    assert spawner.asked == 2
    clock.advance(OLDEST)
    assert await used.of([ADA]) == {}
    monkeypatch.undo()
    spawner.gate.set()
    assert await used.of([ADA]) == {1: Usage(5)}


async def test_a_visitor_who_goes_away_takes_nothing_from_the_others(used: Usages, spawner: Measuring) -> None:
    spawner.gate.clear()
    first = asyncio.create_task(used.of([ADA]))
    second = asyncio.create_task(used.of([ADA]))
    await asyncio.sleep(0)
    first.cancel()
    spawner.gate.set()
    assert await second == {1: Usage(1000, 2000)}
    assert spawner.asked == 1
