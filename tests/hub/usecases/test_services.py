"""What the API cannot show of services; the rest is in tests/hub/web/api/test_services.py."""

from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo
from perijove.hub.testing.fakes import FakePrograms
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.services import ServiceLink, Services
from perijove.wire.scopes import Scope

House = Any
SITE = Site("/jh/")
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture
def services(house: House) -> Services:
    """Everything that can be done with services."""
    routes = Routes(house.ctx, house.proxy, Activity(house.ctx), site=SITE, hub_url="http://127.0.0.1:8081")
    keeper = Keeper(house.ctx, FakePrograms(), house.probe, specs=(), hub=HubInfo(SITE, "", ""))
    return Services(house.ctx, routes, keeper, site=SITE)


def visitor(*values: str) -> Principal:
    return Principal("user", "ada", frozenset(Scope("access:services", "service", value) for value in values))


@BOTH
async def test_people_see_the_services_that_they_may_use(house: House, services: Services) -> None:
    async with house.store.transaction() as tx:
        for service in (
            Service(0, "wiki", url="http://127.0.0.1:1"),
            Service(0, "hidden", url="http://127.0.0.1:1", display=False),
            Service(0, "cull"),
            Service(0, "other", url="http://127.0.0.1:1"),
        ):
            await tx.services.add(service)
    everything = Principal("user", "root", frozenset({Scope("access:services")}))
    links = [ServiceLink("other", "/jh/services/other/"), ServiceLink("wiki", "/jh/services/wiki/")]
    assert await services.visible_to(visitor()) == []
    assert await services.visible_to(visitor("wiki", "hidden", "cull")) == links[1:]
    assert await services.visible_to(everything) == links
    async with house.store.transaction() as tx:
        wiki = await tx.services.get("wiki")
        assert wiki is not None
        await tx.services.delete(wiki.id)
    assert await services.visible_to(everything) == links[:1]


async def test_people_see_what_there_was_while_the_store_is_away(house: House, services: Services) -> None:
    async with house.store.transaction() as tx:
        await tx.services.add(Service(0, "wiki", url="http://127.0.0.1:1"))
    before = await services.visible_to(visitor("wiki"))
    house.store.away = True
    assert await services.visible_to(visitor("wiki")) == before != []


@BOTH
async def test_what_was_made_is_found_again_and_refused_twice(house: House, services: Services) -> None:
    body = {"url": "http://127.0.0.1:1", "api_token": "long-enough-token", "info": {"a": [1]}}
    await services.create(house.admin, "wiki", body)
    async with house.store.transaction() as tx:
        stored = await tx.services.get("wiki")
        assert stored is not None
        assert (stored.from_config, stored.url, dict(stored.info)) == (False, body["url"], body["info"])
        client = await tx.oauth.client_of_service(stored.id)
        assert client is not None
        assert client.redirect_uri == "/jh/services/wiki/oauth_callback"
    with pytest.raises(PerijoveError) as caught:
        await services.create(house.admin, "wiki", {})
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(PerijoveError) as caught:
        await services.create(house.admin, "other", {"api_token": "long-enough-token"})
    assert caught.value.code is Code.CONFLICT
    assert [view.service.name for view in await services.list(house.admin)] == ["wiki"], "all or nothing"
    await services.delete(house.admin, "wiki")
    async with house.store.transaction() as tx:
        assert await tx.oauth.client("service-wiki") is None


async def test_services_have_hosts_where_everybody_has(house: House, services: Services) -> None:
    async with house.store.transaction() as tx:
        await tx.services.add(Service(0, "wiki", url="http://127.0.0.1:1"))
        await tx.services.add(Service(0, "cull"))
    assert await services.host_of("wiki") == ""
    services._site = Site("/", "https://hub.example", lambda name, domain, kind: f"{name}--{kind}.{domain}")
    assert await services.host_of("wiki") == "https://wiki--service.hub.example"
    assert await services.host_of("cull") == await services.host_of("none") == ""
