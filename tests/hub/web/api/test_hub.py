from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.testing.running import RunningHub, running_hub


@pytest.mark.parametrize("slash", ["", "/"])
async def test_t3_the_version_is_told_to_everybody_with_and_without_slash(hub: RunningHub, slash: str) -> None:
    answer = await hub.client().get(f"{hub.api}{slash}")
    assert (answer.status_code, answer.json()) == (200, {"version": "6.1.1"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_t3_the_version_is_told_while_the_database_is_away(hub: RunningHub) -> None:
    hub.store.away = True
    assert (await hub.client("unknown").get(hub.api)).status_code == 200


async def test_what_the_hub_is_made_of(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ops", "read:hub", service=True))
    told = (await client.get(f"{hub.api}/info")).json()
    assert told.keys() == {"version", "python", "sys_executable", "spawner", "authenticator"}
    assert told["version"] == "6.1.1"
    assert told["spawner"] == told["authenticator"] == {"class": "fake", "version": "0"}
    assert (await hub.client(await hub.token("ada")).get(f"{hub.api}/info")).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["health", "api/health"])
async def test_health_follows_the_database(hub: RunningHub, method: str, path: str) -> None:
    well = await hub.client().request(method, hub.prefix + path)
    assert (well.status_code, well.content) == (200, b"")
    hub.store.away = True
    ill = await hub.client().request(method, hub.prefix + path)
    assert (ill.status_code, ill.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", ["metrics", "api/metrics"])
async def test_metrics_are_for_those_who_may_read_them(hub: RunningHub, path: str) -> None:
    assert (await hub.client().get(hub.prefix + path)).status_code == 403
    assert (await hub.client(await hub.token("ada")).get(hub.prefix + path)).status_code == 403
    answer = await hub.client(await hub.token("ops", "read:metrics", service=True)).get(hub.prefix + path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "jupyterhub_request_duration_seconds" in answer.text


async def test_metrics_are_for_everybody_if_the_configuration_says_so() -> None:
    async with running_hub(metrics_need_scope=False) as hub:
        assert (await hub.client().get("/hub/metrics")).status_code == 200


async def test_the_proxys_routes_are_shown_and_put_right(waiting_hub: RunningHub) -> None:
    hub, base = waiting_hub, waiting_hub.state.settings.base_url
    ops = hub.client(await hub.token("ops", "proxy", service=True))
    assert (await hub.client(await hub.token("ada")).get(f"{hub.api}/proxy")).status_code == 403
    assert (await hub.client(await hub.token("ada")).post(f"{hub.api}/proxy")).status_code == 403
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    shown = (await ops.get(f"{hub.api}/proxy")).json()
    spec = f"{base}user/ada/"
    assert shown[spec]["routespec"] == spec
    assert shown[spec]["target"].startswith("http://127.0.0.1:")
    assert shown[spec]["data"]["user"] == "ada"
    hub.proxy.routes.clear()
    assert (await ops.post(f"{hub.api}/proxy")).status_code == 200
    assert spec in (await ops.get(f"{hub.api}/proxy")).json()


async def test_a_proxy_that_is_away_is_503(hub: RunningHub) -> None:
    ops = hub.client(await hub.token("ops", "proxy", service=True))
    hub.proxy.failure = PerijoveError(Code.UNAVAILABLE, "The proxy does not answer.")
    assert (await ops.get(f"{hub.api}/proxy")).status_code == 503
    assert (await ops.post(f"{hub.api}/proxy")).status_code == 503


async def test_the_hub_is_asked_to_stop(hub: RunningHub) -> None:
    admin = hub.client(await hub.token("root", admin=True))
    assert (await admin.post(f"{hub.api}/shutdown", json={"proxy": "no"})).status_code == 400
    assert not hub.state.shutdown.wanted.is_set()
    answer = await admin.post(f"{hub.api}/shutdown", json={"servers": False})
    assert (answer.status_code, answer.json()) == (202, {"message": "Shutting down Hub"})
    assert hub.state.shutdown.wanted.is_set()
    assert (hub.state.shutdown.servers, hub.state.shutdown.proxy) == (False, True)


async def test_routes_are_given_in_parts(hub: RunningHub) -> None:
    admin = hub.client(await hub.token("root", admin=True))
    for number in range(3):
        await hub.proxy.add_route(f"/user/u{number}/", "http://127.0.0.1:1", {"user": f"u{number}"})
    pages = {"Accept": "application/jupyterhub-pagination+json"}
    page = (await admin.get(f"{hub.api}/proxy?limit=2", headers=pages)).json()
    assert list(page["items"]) == [hub.state.settings.base_url, "/user/u0/"]
    assert page["_pagination"]["total"] == 4
    rest = (await admin.get(page["_pagination"]["next"]["url"], headers=pages)).json()
    assert list(rest["items"]) == ["/user/u1/", "/user/u2/"]
    assert len((await admin.get(f"{hub.api}/proxy")).json()) == 4


@pytest.mark.parametrize("body", [{"api_url": 5}, {"port": 1}, []])
async def test_nonsense_about_the_proxy_is_refused(hub: RunningHub, body: Any) -> None:
    admin = hub.client(await hub.token("root", admin=True))
    assert (await admin.patch(f"{hub.api}/proxy", json=body)).status_code == 400


async def test_a_proxy_that_cannot_move_says_so(hub: RunningHub) -> None:
    admin = hub.client(await hub.token("root", admin=True))
    answer = await admin.patch(f"{hub.api}/proxy", json={"api_url": "http://127.0.0.1:1"})
    assert answer.status_code == 400
    assert "no address" in answer.json()["message"]
