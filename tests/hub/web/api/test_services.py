from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perijove.hub.core.events import ServiceCreated, ServiceDeleted
from perijove.hub.core.site import Site
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.api.services import NEW_SERVICE, TYPES

TOKEN = "a-token-of-at-least-thirty-two-characters"
URL = "http://127.0.0.1:10101"


@pytest.fixture
async def admin(hub: RunningHub) -> Any:
    """A client of an administrator."""
    return hub.client(await hub.token("root", admin=True))


def test_what_is_taken_is_what_openapi_says() -> None:
    schema = NEW_SERVICE["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(TYPES)


async def test_a_service_is_made_shown_and_deleted(hub: RunningHub, admin: Any) -> None:
    url, base = f"{hub.api}/services/wiki", hub.state.settings.base_url
    body = {"url": URL, "api_token": TOKEN, "info": {"by": "us"}, "display": False}
    made = await admin.post(url, json=body)
    assert made.status_code == 201
    assert made.json() == {
        "kind": "service",
        "name": "wiki",
        "admin": False,
        "roles": [],
        "url": URL,
        "prefix": f"{base}services/wiki/",
        "command": [],
        "pid": 0,
        "info": {"by": "us"},
        "display": False,
    }
    assert (await admin.get(url)).json() == made.json()
    assert (await admin.get(f"{hub.api}/services")).json()["wiki"] == made.json()
    assert hub.proxy.routes[f"{base}services/wiki/"].target == URL
    itself = (await hub.client(TOKEN).get(f"{hub.api}/user")).json()
    assert (itself["kind"], itself["name"]) == ("service", "wiki")
    deleted = await admin.delete(url)
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await admin.get(url)).status_code == 404
    assert (await admin.delete(url)).status_code == 404
    assert f"{base}services/wiki/" not in hub.proxy.routes
    assert (await hub.client(TOKEN).get(f"{hub.api}/user")).status_code == 403
    assert hub.telemetry.of(ServiceCreated) == [ServiceCreated("wiki", False, URL, "root")]
    assert hub.telemetry.of(ServiceDeleted) == [ServiceDeleted("wiki", "root")]


async def test_without_a_body_it_is_a_name(hub: RunningHub, admin: Any) -> None:
    made = await admin.post(f"{hub.api}/services/plain")
    assert made.status_code == 201
    assert (made.json()["url"], made.json()["prefix"], made.json()["display"]) == ("", "", True)
    assert (await admin.post(f"{hub.api}/services/plain")).status_code == 409


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"name": "other"}, "about another service"),
        ({"command": ["sh"]}, "in its configuration only"),
        ({"cwd": "/", "user": "root"}, "cwd, user: only for services that the hub runs"),
        ({"environment": {"A": "b"}}, "environment: only for"),
        ({"timeout": 3}, "Invalid JSON keys"),
        ({"admin": "yes"}, "admin must be bool"),
        ({"url": "ftp://x"}, "url: it must begin with http"),
        ({"api_token": "short"}, "api_token must have 8"),
        ({"url": URL, "oauth_no_confirm": True}, "api_token: a service whose visitors sign in"),
        ({"api_token": TOKEN, "oauth_client_id": "x"}, "oauth_client_id must begin with service-"),
        ({"api_token": TOKEN, "oauth_client_allowed_scopes": ["none"]}, "there is no scope 'none'"),
        ({"api_token": TOKEN, "oauth_client_allowed_scopes": [3]}, "must be a list of scopes"),
        ({"api_token": TOKEN, "oauth_client_id": f"service-{'x' * 1100}"}, "oauth_client_id"),
        ({"info": {"x": "x" * 70_000}}, "info: too long"),
        ([], "body must be a JSON object"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_made(hub: RunningHub, admin: Any, body: Any, why: str) -> None:
    answer = await admin.post(f"{hub.api}/services/wiki", json=body)
    assert answer.status_code == 400
    assert why in answer.json()["message"]
    assert TOKEN not in answer.text
    assert (await admin.get(f"{hub.api}/services/wiki")).status_code == 404


async def test_a_name_that_cannot_be_one_is_refused(hub: RunningHub, admin: Any) -> None:
    for name in ("x" * 300, "%20", "Ünï", "a b"):
        assert (await admin.post(f"{hub.api}/services/{name}")).status_code == 400
        assert (await admin.get(f"{hub.api}/services/{name}")).status_code == 404


async def test_a_token_or_client_of_somebody_else_is_refused(hub: RunningHub, admin: Any) -> None:
    assert (await admin.post(f"{hub.api}/services/a", json={"url": URL, "api_token": TOKEN})).status_code == 201
    for body in (
        {"api_token": TOKEN},
        {"url": URL, "api_token": f"{TOKEN}-2", "oauth_client_id": "service-a"},
    ):
        assert (await admin.post(f"{hub.api}/services/b", json=body)).status_code == 409
    assert list((await admin.get(f"{hub.api}/services")).json()) == ["a"]


async def test_nobody_makes_a_service_that_may_do_more_than_they(hub: RunningHub) -> None:
    client = hub.client(await hub.token("part", "admin:services", "read:users!user=ada", service=True))
    answer = await client.post(f"{hub.api}/services/x", json={"admin": True, "api_token": TOKEN})
    assert answer.status_code == 403
    for scope in ("admin:users", "read:users", "inherit", "read:users!user=bob"):
        body = {"api_token": TOKEN, "url": URL, "oauth_client_allowed_scopes": [scope]}
        answer = await client.post(f"{hub.api}/services/x", json=body)
        assert answer.status_code == 400
        assert "you may not do this yourself" in answer.json()["message"]
    body = {"api_token": TOKEN, "url": URL, "oauth_client_allowed_scopes": ["read:users:name!user=ada"]}
    assert (await client.post(f"{hub.api}/services/x", json=body)).status_code == 201


async def test_a_token_of_an_administrator_makes_nothing_that_may_do_more_than_it(hub: RunningHub) -> None:
    narrow = hub.client(await hub.token("root", "admin:services", admin=True))
    assert (await narrow.post(f"{hub.api}/services/x", json={"admin": True, "api_token": TOKEN})).status_code == 403
    body = {"api_token": TOKEN, "url": URL, "oauth_client_allowed_scopes": ["inherit"]}
    assert (await narrow.post(f"{hub.api}/services/x", json=body)).status_code == 400
    assert (await narrow.post(f"{hub.api}/services/x", json={"url": URL})).status_code == 201


async def test_an_administrator_may_make_a_service_one(hub: RunningHub, admin: Any) -> None:
    body = {"admin": True, "api_token": TOKEN, "oauth_client_allowed_scopes": ["inherit"]}
    assert (await admin.post(f"{hub.api}/services/boss", json=body)).json()["roles"] == ["admin"]
    assert (await hub.client(TOKEN).get(f"{hub.api}/users")).status_code == 200


async def test_scopes_for_one_service_reach_that_one_alone(hub: RunningHub, admin: Any) -> None:
    for name in ("a", "b"):
        await admin.post(f"{hub.api}/services/{name}")
    scopes = ("list:services!service=a", "read:services!service=a", "admin:services!service=c")
    client = hub.client(await hub.token("part", *scopes, service=True))
    assert list((await client.get(f"{hub.api}/services")).json()) == ["a"]
    assert (await client.get(f"{hub.api}/services/a")).status_code == 200
    assert (await client.get(f"{hub.api}/services/b")).status_code == 404
    assert (await client.delete(f"{hub.api}/services/b")).status_code == 404
    assert (await client.post(f"{hub.api}/services/d")).status_code == 404
    assert (await client.post(f"{hub.api}/services/c")).status_code == 201


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("read:services", {"kind", "name", "admin", "url", "prefix", "command", "pid", "info", "display"}),
        ("read:services:name", {"kind", "name", "admin"}),
        ("read:roles:services", {"kind", "name", "roles", "admin"}),
    ],
)
async def test_scopes_show_their_fields(hub: RunningHub, admin: Any, scope: str, fields: set[str]) -> None:
    await admin.post(f"{hub.api}/services/wiki", json={"url": URL})
    client = hub.client(await hub.token("part", scope, service=True))
    assert set((await client.get(f"{hub.api}/services/wiki")).json()) == fields
    lister = hub.client(await hub.token("lister", "list:services", service=True))
    assert set((await lister.get(f"{hub.api}/services")).json()["wiki"]) == {"kind", "name", "admin"}


async def test_what_the_configuration_has_stays_and_shows_its_process() -> None:
    spec = ServiceSpec("runs", TOKEN, url=URL, command=("run", "me"))
    site = Site("/", "https://hub.example", lambda name, domain, kind: f"{name}--{kind}.{domain}")
    async with running_hub(services=[spec], site=site) as hub:
        admin = hub.client(await hub.token("root", admin=True))
        hub.keeper.begin(check_interval=60)
        async with asyncio.timeout(20):
            while not (model := (await admin.get(f"{hub.api}/services/runs")).json())["pid"]:
                await asyncio.sleep(0.003)
        assert (model["pid"], model["command"]) == (hub.programs.started[0].pid, ["run", "me"])
        assert "runs--service.hub.example/services/runs/" in hub.proxy.routes
        refused = await admin.delete(f"{hub.api}/services/runs")
        assert refused.status_code == 405
        assert "stands in the configuration" in refused.json()["message"]
        assert (await admin.post(f"{hub.api}/services/runs")).status_code == 409


async def test_a_proxy_that_is_away_learns_of_it_later(hub: RunningHub, admin: Any) -> None:
    hub.proxy.crash()
    assert (await admin.post(f"{hub.api}/services/wiki", json={"url": URL})).status_code == 201
    await hub.proxy.start()
    await hub.state.routes.reconcile()
    assert f"{hub.state.settings.base_url}services/wiki/" in hub.proxy.routes
