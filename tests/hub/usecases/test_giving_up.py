from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.usecases.giving_up import Failures

House = Any
PEOPLE = ("ada", "bob", "cleo")


def counted(limit: int) -> tuple[Failures, list[int]]:
    failures, times = Failures(limit), []
    failures.give_up = lambda: times.append(1)
    return failures, times


def test_the_hub_gives_up_once_when_starts_of_many_broke() -> None:
    failures, times = counted(3)
    for user in (1, 2):
        failures.broke(user)
    assert times == []
    for user in (3, 4, 5):
        failures.broke(user)
    assert times == [1]


def test_a_server_that_gets_ready_begins_the_count_anew() -> None:
    failures, times = counted(2)
    failures.broke(1)
    failures.worked()
    failures.broke(2)
    assert times == []


def test_hx46_one_user_never_ends_the_hub() -> None:
    failures, times = counted(2)
    for _ in range(100):
        failures.broke(1)
    assert times == []


def test_no_limit_is_never_reached() -> None:
    failures, times = counted(0)
    for user in range(100):
        failures.broke(user)
    assert times == []
    Failures(1).broke(1)


async def starts(house: House, hub: Any) -> None:
    for name in PEOPLE:
        await house.user(name)
        await hub.start(name)
        await house.until("failed", name)


@pytest.mark.parametrize(
    ("broken", "gives_up"),
    [
        (RuntimeError("the cluster is gone"), True),
        (PerijoveError(Code.FAILED, "Your quota is used up."), False),
        (None, False),
    ],
)
async def test_only_a_spawner_that_breaks_counts(house: House, broken: Exception | None, gives_up: bool) -> None:
    hub = await house.hub(limits=Limits(broken_users=len(PEOPLE)))
    gave_up: list[bool] = []
    hub.steps.failures.give_up = lambda: gave_up.append(True)
    if broken is None:
        house.spawner_options = {"http_timeout": 0.02}
        house.probe.silent = True
    house.world.start_failure = broken
    await starts(house, hub)
    assert bool(gave_up) is gives_up


async def test_a_start_that_hangs_counts_too_and_one_that_works_ends_the_row(house: House) -> None:
    hub = await house.hub(limits=Limits(broken_users=2))
    gave_up: list[bool] = []
    hub.steps.failures.give_up = lambda: gave_up.append(True)
    house.spawner_options = {"start_timeout": 0.02}
    for name in PEOPLE[:2]:
        await house.user(name)
    house.world.hang_start = True
    await hub.start("ada")
    await house.until("failed", "ada")
    house.world.hang_start = False
    await hub.start("ada")
    await house.until("ready", "ada")
    house.world.hang_start = True
    await hub.start("bob")
    await house.until("failed", "bob")
    assert gave_up == []
