from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.usecases import leases
from perijove.hub.usecases.leases import LEASE, Lease, release

House = Any
SECONDS = LEASE.total_seconds()
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hubs look often."""
    monkeypatch.setattr(leases, "RENEW_INTERVAL", 0.01)
    monkeypatch.setattr(leases, "LOOK_INTERVAL", 0.01)


@pytest.fixture
def spawn() -> Any:
    """Run something in the background for as long as the test."""
    running: list[asyncio.Task[None]] = []

    def begin(work: Any) -> asyncio.Task[None]:
        running.append(asyncio.create_task(work))
        return running[-1]

    yield begin
    for task in running:
        task.cancel()


Spawn = Callable[[Any], asyncio.Task[None]]


class _Undo(Exception):
    """Ends a transaction that shall change nothing."""


async def renewed(house: House, until: timedelta) -> None:
    """Return once somebody holds the lease for that long from now."""
    at = house.clock.now() + until
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(_Undo):
                async with house.store.transaction() as tx:
                    if not await tx.leases.claim("cleaning", "somebody else", at, at):
                        return
                    raise _Undo
            await asyncio.sleep(0.003)


async def test_one_at_a_time_and_the_next_when_the_first_lets_go(house: House, spawn: Spawn) -> None:
    one, two = (Lease(house.ctx, "cleaning", name) for name in ("one", "two"))
    await one.granted()
    kept, waiting = spawn(one.lost()), spawn(two.granted())
    for _ in range(5):
        # Time goes on, and the first says again and again that it is there.
        house.clock.advance(SECONDS / 2)
        await renewed(house, LEASE * 0.9)
    assert not kept.done()
    assert not waiting.done()
    kept.cancel()
    await release(house.ctx, "one")
    await asyncio.wait_for(waiting, 10)


async def test_whoever_was_silent_for_too_long_has_lost_it(house: House) -> None:
    one, two = (Lease(house.ctx, "cleaning", name) for name in ("one", "two"))
    await one.granted()
    house.clock.advance(SECONDS - 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(two.granted(), 0.1)
    house.clock.advance(1)
    await asyncio.wait_for(two.granted(), 10)
    await asyncio.wait_for(one.lost(), 10)


async def test_while_the_store_is_away_nothing_is_taken_and_nothing_lost(house: House, spawn: Spawn) -> None:
    one, two = (Lease(house.ctx, "cleaning", name) for name in ("one", "two"))
    await one.granted()
    house.store.away = True
    house.clock.advance(SECONDS * 2)
    with capture_logs() as logs:
        kept, waiting = spawn(one.lost()), spawn(two.granted())
        await house.when(lambda: len(logs) > 4)
    assert not kept.done()
    assert not waiting.done()
    house.store.away = False
    # Whichever asks first has it now.
    await renewed(house, LEASE * 0.9)
