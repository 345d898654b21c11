from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.long_actions import Kind, LongAction, Stage
from perijove.hub.core.principals import Principal
from perijove.hub.usecases import long_actions
from perijove.hub.usecases.long_actions import LongActions, Target
from perijove.wire.scopes import Scope

House = Any
KEY = "a-key-of-sixteen"
NAMES = [f"user-{number:02d}" for number in range(12)]
TARGETS = [Target(name) for name in NAMES]


@pytest.fixture(autouse=True)
def promptly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell often how far it is."""
    monkeypatch.setattr(long_actions, "TELL_INTERVAL", 0.01)


@pytest.fixture
async def hub(house: House) -> AsyncIterator[Any]:
    """A hub process with a dozen users."""
    for name in NAMES:
        await house.user(name)
    process = await house.hub()
    process.actions = LongActions(house.ctx, process.tasks, process.servers, process.removal)
    yield process


async def ended(house: House, hub: Any, key: str = KEY) -> LongAction:
    async with asyncio.timeout(20):
        while True:
            action: LongAction = await hub.actions.get(house.admin, key)
            if action.finished is not None:
                return action
            await asyncio.sleep(0.003)


async def test_servers_are_started_stopped_and_users_deleted(house: House, hub: Any) -> None:
    await hub.start("user-00")
    action = await hub.actions.begin(house.admin, KEY, Kind.START, [*TARGETS, *TARGETS])
    assert (action.total, action.by, action.stage(house.clock.now())) == (12, "root", Stage.RUNNING)
    action = await ended(house, hub)
    assert (action.done, action.failed, action.stage(house.clock.now())) == (12, 0, Stage.FINISHED)
    assert len(house.world.running()) == 12

    await hub.actions.begin(house.admin, KEY + "2", Kind.STOP, TARGETS[:10])
    assert (await ended(house, hub, KEY + "2")).failed == 0
    assert len(house.world.running()) == 2

    await hub.actions.begin(house.admin, KEY + "3", Kind.DELETE, [*TARGETS, Target("nobody")])
    assert (await ended(house, hub, KEY + "3")).failed == 0
    async with house.store.transaction() as tx:
        assert [await tx.users.get(name) for name in NAMES] == [None] * 12
    assert [each.key for each in await hub.actions.latest(house.admin)][:1] == [KEY]


async def test_the_same_page_asks_only_once(house: House, hub: Any) -> None:
    first = await hub.actions.begin(house.admin, KEY, Kind.START, TARGETS[:1])
    again = await hub.actions.begin(house.admin, KEY, Kind.STOP, TARGETS)
    assert (again.kind, again.total) == (first.kind, 1)
    await ended(house, hub)
    assert len(house.world.running()) == 1
    eve = Principal("user", "eve", frozenset({Scope("start:servers")}))
    with pytest.raises(PerijoveError) as caught:
        await hub.actions.begin(eve, KEY, Kind.START, TARGETS)
    assert caught.value.code is Code.NOT_FOUND


async def test_what_failed_is_told_by_name(house: House, hub: Any) -> None:
    house.world.start_failure = RuntimeError("no room")
    await hub.actions.begin(house.admin, KEY, Kind.START, [*TARGETS[:1], Target("nobody"), Target("user-01", "lab")])
    action = await ended(house, hub)
    assert (action.done, action.failed) == (3, 3)
    told = dict(action.failures)
    assert set(told) == {"user-00", "nobody", "user-01/lab"}
    assert told["nobody"] == "No such user"
    assert "not enabled" in told["user-01/lab"]


async def test_a_fault_of_the_hub_holds_up_nobody_else(house: House, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = hub.servers.stop

    async def broken(principal: Principal, user: str, name: str) -> Any:
        if user == "user-01":
            raise ZeroDivisionError
        return await stop(principal, user, name)

    monkeypatch.setattr(hub.servers, "stop", broken)
    await hub.actions.begin(house.admin, KEY, Kind.STOP, TARGETS)
    action = await ended(house, hub)
    assert (action.done, [name for name, _ in action.failures]) == (12, ["user-01"])


async def test_the_rest_is_left_alone_once_it_is_cancelled(
    house: House, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_actions, "AT_ONCE", 2)
    house.world.hang_start = True
    await hub.actions.begin(house.admin, KEY, Kind.START, TARGETS)
    await house.when(lambda: len(house.spawners) == 2)
    action = await hub.actions.cancel(house.admin, KEY)
    assert action.stage(house.clock.now()) is Stage.CANCELLING
    told = asyncio.Event()
    save = long_actions._Run._tell

    async def noticing(run: Any) -> bool:
        stored = await save(run)
        told.set()
        return stored

    monkeypatch.setattr(long_actions._Run, "_tell", noticing)
    await told.wait()
    for name in NAMES[:2]:
        await hub.stop(name)
    action = await ended(house, hub)
    assert (action.done, action.failed, action.stage(house.clock.now())) == (2, 2, Stage.CANCELLED)
    assert dict(action.failures)["user-00"] == "It was stopped before it was ready"


async def test_an_action_that_ended_with_its_hub_is_interrupted_and_can_be_asked_for_again(
    house: House, hub: Any
) -> None:
    house.world.hang_start = True
    await hub.actions.begin(house.admin, KEY, Kind.START, TARGETS[:2])
    await house.when(lambda: len(house.spawners) == 2)
    await hub.die()
    house.clock.advance(61)
    house.world.hang_start = False
    other = await house.hub()
    actions = LongActions(house.ctx, other.tasks, other.servers, other.removal)
    assert (await actions.get(house.admin, KEY)).stage(house.clock.now()) is Stage.INTERRUPTED
    other.actions = actions
    await actions.begin(house.admin, KEY + "2", Kind.START, TARGETS[:2])
    assert (await ended(house, other, KEY + "2")).failed == 0


async def test_an_action_goes_on_while_the_store_is_away(
    house: House, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    def noticing(*args: Any, **more: Any) -> None:
        failed.set()

    monkeypatch.setattr(long_actions.log, "warning", noticing)
    house.world.hang_start = True
    await hub.actions.begin(house.admin, KEY, Kind.START, TARGETS[:1])
    await house.when(lambda: house.spawners)
    house.store.away = True
    await failed.wait()
    house.store.away = False
    await hub.stop("user-00")
    assert (await ended(house, hub)).failed == 1


async def test_whoever_may_do_it_to_nobody_cannot_ask(house: House, hub: Any) -> None:
    eve = Principal("user", "eve", frozenset({Scope("start:servers", "user", "user-00")}))
    for kind in (Kind.STOP, Kind.DELETE):
        with pytest.raises(PerijoveError) as caught:
            await hub.actions.begin(eve, KEY, kind, TARGETS)
        assert caught.value.code is Code.FORBIDDEN
    await hub.actions.begin(eve, KEY, Kind.START, TARGETS[:2])
    action = await ended(house, hub)
    assert (action.failed, [name for name, _ in action.failures]) == (1, ["user-01"])
    assert [each.by for each in await hub.actions.latest(eve)] == ["eve"]
    mallory = Principal("user", "mallory", frozenset({Scope("start:servers")}))
    assert await hub.actions.latest(mallory) == []
    for ask in (hub.actions.get, hub.actions.cancel):
        with pytest.raises(PerijoveError, match="no such action"):
            await ask(mallory, KEY)


async def test_nothing_too_much_and_bad_keys_are_refused(
    house: House, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_actions, "MAX_TARGETS", 5)
    for key, targets, why in (
        ("short", TARGETS[:1], "Open the page again"),
        (KEY, [], "Nothing was chosen"),
        (KEY, TARGETS, "At most 5"),
    ):
        with pytest.raises(PerijoveError, match=why):
            await hub.actions.begin(house.admin, key, Kind.START, targets)
    with pytest.raises(PerijoveError):
        await hub.actions.get(house.admin, KEY)
