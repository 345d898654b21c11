from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from perijove.hub.core.pending_sign_ins import IN_ALL, KEPT, LIFETIME, MAX_STATE
from perijove.hub.testing.fakes import FakeClock, RecordingTelemetry
from perijove.hub.testing.memory_store import MemoryStore
from perijove.hub.usecases import pending_sign_ins as use_case
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.pending_sign_ins import Resumed

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ctx(clock: FakeClock) -> Context:
    return Context(MemoryStore(), clock, RecordingTelemetry())


async def test_the_browser_that_began_goes_on_once(ctx: Context) -> None:
    state = await use_case.begin(ctx, "browser", {"verifier": "v"}, "/hub/home", 1)
    answers = await asyncio.gather(*(use_case.resume(ctx, "browser", state) for _ in range(5)))
    good = [answer for answer in answers if answer.data is not None]
    assert good == [Resumed({"verifier": "v"}, "/hub/home", 2)]
    assert [answer for answer in answers if answer.data is None] == [Resumed(None, "/hub/home", 2)] * 4


async def test_nobody_else_goes_on_nor_uses_it_up(ctx: Context) -> None:
    state = await use_case.begin(ctx, "browser", {"verifier": "v"}, "/hub/home", 1)
    for browser in ("another", ""):
        assert await use_case.resume(ctx, browser, state) == Resumed(None, "/hub/home", 2)
    assert (await use_case.resume(ctx, "browser", state)).data == {"verifier": "v"}


async def test_what_took_too_long_begins_anew_with_where_it_wanted_to_go(ctx: Context, clock: FakeClock) -> None:
    state = await use_case.begin(ctx, "browser", {}, "/hub/home", 3)
    clock.advance(LIFETIME.total_seconds())
    assert await use_case.resume(ctx, "browser", state) == Resumed(None, "/hub/home", 1)
    assert await use_case.resume(ctx, "browser", "lost") == Resumed()


async def test_a_state_that_was_lost_is_the_browsers_last(ctx: Context, clock: FakeClock) -> None:
    assert await use_case.resume(ctx, "browser", "lost") == Resumed()
    await use_case.begin(ctx, "browser", {}, "/hub/home", 1)
    clock.advance(1)
    await use_case.begin(ctx, "browser", {}, "/hub/token", 2)
    for state in ("", "lost", "x" * (MAX_STATE + 1)):
        assert await use_case.resume(ctx, "browser", state) == Resumed(None, "/hub/token", 3)
        assert await use_case.resume(ctx, "another", state) == Resumed()


async def test_what_is_old_or_too_much_is_forgotten(
    ctx: Context, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await use_case.begin(ctx, "browser", {}, "/hub/home", 1)
    clock.advance((KEPT + SECOND).total_seconds())
    await use_case.begin(ctx, "another", {}, "", 1)
    assert await use_case.purge(ctx) == 1
    assert await use_case.resume(ctx, "browser", old) == Resumed()
    assert IN_ALL > 1
    monkeypatch.setattr(use_case, "IN_ALL", 0)
    assert await use_case.purge(ctx) == 1
