from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.health import Check
from perijove.hub.core.principals import Principal
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo
from perijove.hub.testing.fakes import FakePrograms
from perijove.hub.usecases import health
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.health import Health
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.routes import Routes
from perijove.wire.scopes import Scope

House = Any


@pytest.fixture
def keeper(house: House) -> Keeper:
    """Looks after services."""
    return Keeper(house.ctx, FakePrograms(), house.probe, specs=(), hub=HubInfo(Site(), "", ""))


@pytest.fixture
def look(house: House, keeper: Keeper) -> Health:
    """The checks."""
    routes = Routes(house.ctx, house.proxy, Activity(house.ctx), site=Site(), hub_url="http://127.0.0.1:8081")
    return Health(house.ctx, routes, keeper)


async def test_what_works_is_well(house: House, look: Health) -> None:
    assert await look.look(house.admin) == [Check("database"), Check("proxy")]


async def test_what_does_not_work_says_why(house: House, look: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    house.proxy.failure = PerijoveError(Code.UNAVAILABLE, "nobody there")
    house.store.away = True
    found = await look.look(house.admin)
    assert [(check.part, check.well, check.reason) for check in found] == [
        ("database", False, "The database is away."),
        ("proxy", False, "nobody there"),
    ]


async def test_a_part_that_hangs_holds_up_the_page_no_longer_than_a_moment(
    house: House, look: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setattr(house.proxy, "get_all_routes", hang)
    reasons = [check.reason for check in await look.look(house.admin)]
    assert reasons == ["", "It did not answer within 0.05 s"]


async def test_services_that_run_or_answer_are_told(house: House, look: Health, keeper: Keeper) -> None:
    async with house.store.transaction() as tx:
        for service in (
            Service(0, "culler", command=("cull",)),
            Service(0, "passive"),
            Service(0, "wiki", url="http://127.0.0.1:1"),
        ):
            await tx.services.add(service)
    found = {check.name: check for check in await look.look(house.admin)}
    assert set(found) == {"", "culler"}
    assert not found["culler"].well
    await keeper.look()
    assert [check.name for check in await look.look(house.admin)][2:] == ["culler", "wiki"]
    house.probe.silent = True
    await keeper.look()
    wiki = next(check for check in await look.look(house.admin) if check.name == "wiki")
    assert (wiki.well, "does not answer at http://127.0.0.1:1" in wiki.reason) == (False, True)


async def test_only_whoever_may_read_the_hub_sees_it(look: Health) -> None:
    with pytest.raises(PerijoveError) as caught:
        await look.look(Principal("user", "eve", frozenset({Scope("read:users")})))
    assert caught.value.code is Code.FORBIDDEN
