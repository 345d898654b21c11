from __future__ import annotations

import asyncio

import pytest

from perijove.client.api import HubUnavailable
from perijove.client.identity import HubIdentity
from perijove.client.resolver import FRESH, MAX_REFUSED, RETRY_AFTER, STALE_LIMIT, IdentityResolver

ALICE = HubIdentity("alice", "user", frozenset())


class FakeHub:
    def __init__(self) -> None:
        self.answer: HubIdentity | Exception | None = ALICE
        self.asked: list[tuple[str, float | None]] = []
        self.gate: asyncio.Event | None = None

    async def user_for_token(self, token: str, *, timeout: float | None = None) -> HubIdentity | None:
        self.asked.append((token, timeout))
        if self.gate:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resolver(hub: FakeHub, clock: Clock) -> IdentityResolver:
    return IdentityResolver(hub, clock=clock)


async def test_answers_are_kept(hub: FakeHub, clock: Clock, resolver: IdentityResolver) -> None:
    assert await resolver.identify("t", "s") is ALICE
    clock.now += FRESH - 1
    assert await resolver.identify("t", "s") is ALICE
    assert len(hub.asked) == 1
    clock.now += 1
    await resolver.identify("t", "s")
    assert len(hub.asked) == 2
    await resolver.identify("t", "another session")
    assert len(hub.asked) == 3


async def test_refusals_are_kept_for_less(hub: FakeHub, clock: Clock, resolver: IdentityResolver) -> None:
    hub.answer = None
    assert await resolver.identify("t") is None
    assert await resolver.identify("t") is None
    assert len(hub.asked) == 1
    clock.now += 61
    hub.answer = ALICE
    assert await resolver.identify("t") is ALICE


async def test_known_people_outlive_the_hub(hub: FakeHub, clock: Clock, resolver: IdentityResolver) -> None:
    await resolver.identify("t", "s")
    hub.answer = HubUnavailable()
    clock.now += FRESH
    assert await resolver.identify("t", "s") is ALICE
    asked = len(hub.asked)
    assert hub.asked[-1][1] is not None, "nobody waits long where an older answer exists"
    assert await resolver.identify("t", "s") is ALICE
    assert len(hub.asked) == asked, "a hub that just failed is left alone"
    clock.now += RETRY_AFTER
    assert await resolver.identify("t", "s") is ALICE
    assert len(hub.asked) == asked + 1
    for token, session in (("other", "s"), ("t", "")):
        with pytest.raises(HubUnavailable):
            await resolver.identify(token, session)
    clock.now += STALE_LIMIT
    with pytest.raises(HubUnavailable):
        await resolver.identify("t", "s")


async def test_refusal_ends_it(hub: FakeHub, clock: Clock, resolver: IdentityResolver) -> None:
    await resolver.identify("t", "s")
    await resolver.identify("t", "s2")
    clock.now += FRESH
    hub.answer = None
    assert await resolver.identify("t", "s") is None
    hub.answer = HubUnavailable()
    clock.now += 61
    for session in ("s", "s2"):
        with pytest.raises(HubUnavailable):
            await resolver.identify("t", session)


async def test_made_up_tokens_push_nobody_out(hub: FakeHub, resolver: IdentityResolver) -> None:
    await resolver.identify("t")
    hub.answer = None
    for number in range(MAX_REFUSED * 2):
        await resolver.identify(f"made up {number}")
    hub.answer = HubUnavailable()
    assert await resolver.identify("t") is ALICE


async def test_many_requests_one_question(hub: FakeHub, resolver: IdentityResolver) -> None:
    hub.gate = asyncio.Event()
    askers = [asyncio.create_task(resolver.identify("t")) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    askers[0].cancel()
    hub.gate.set()
    results = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [ALICE] * 4
    assert len(hub.asked) == 1


async def test_forget(hub: FakeHub, resolver: IdentityResolver) -> None:
    await resolver.identify("t", "s")
    await resolver.identify("other", "s")
    resolver.forget("t")
    hub.answer = None
    assert await resolver.identify("t", "s") is None
    assert await resolver.identify("other", "s") is ALICE
