from __future__ import annotations

from datetime import timedelta

import pytest

from perijove.hub.testing.running import RunningHub
from perijove.wire.scopes import parse_scope


@pytest.mark.parametrize("token", ["", "unknown", "x" * 10_000, "tok\tden"])
async def test_t1_whoever_is_unknown_gets_403_and_nothing_else(hub: RunningHub, token: str) -> None:
    client = hub.client()
    if token:
        client.headers["Authorization"] = f"token {token}"
    answer = await client.get(f"{hub.api}/user")
    assert answer.status_code == 403


async def test_t1_an_expired_token_gets_403(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada", expires_at=hub.clock.now() + timedelta(seconds=1)))
    hub.clock.advance(1)
    assert (await client.get(f"{hub.api}/user")).status_code == 403


async def test_t8_the_owner_of_a_full_token(hub: RunningHub) -> None:
    model = (await hub.client(await hub.token("ada")).get(f"{hub.api}/user")).json()
    scopes = model.pop("scopes")
    assert model == {
        "kind": "user",
        "name": "ada",
        "admin": False,
        "user_info": None,
        "roles": ["user"],
        "groups": [],
        "server": None,
        "pending": None,
        "created": "2026-01-01T00:00:00Z",
        "last_activity": None,
        "servers": {},
        "token_id": "a1",
        "session_id": None,
    }
    assert scopes == sorted(scopes)
    assert "servers!user=ada" in scopes


async def test_t5_scopes_are_fully_expanded(hub: RunningHub) -> None:
    for owner, admin in (("ada", False), ("root", True)):
        model = (await hub.client(await hub.token(owner, admin=admin)).get(f"{hub.api}/user")).json()
        for text in model["scopes"]:
            scope = parse_scope(text)
            assert scope.base not in {"self", "inherit", "all"}
            assert not scope.kind or scope.value, text


async def test_t6_the_default_server_is_written_with_a_slash_and_no_name(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    server = await hub.server("ada")
    assert server is not None
    token = await hub.token("ada", "users:activity!user", "access:servers!server", server_id=server.id)
    model = (await hub.client(token).get(f"{hub.api}/user")).json()
    assert "access:servers!server=ada/" in model["scopes"]


async def test_t8_a_token_that_may_nothing_still_tells_whose_it_is(hub: RunningHub) -> None:
    model = (await hub.client(await hub.token("ada", "(no_scope)")).get(f"{hub.api}/user")).json()
    assert model == {
        "kind": "user",
        "name": "ada",
        "admin": False,
        "user_info": None,
        "groups": [],
        "token_id": "a1",
        "session_id": None,
        "scopes": ["read:users:groups!user=ada", "read:users:name!user=ada"],
    }


async def test_an_administrator_is_one(hub: RunningHub) -> None:
    model = (await hub.client(await hub.token("root", admin=True)).get(f"{hub.api}/user")).json()
    assert (model["admin"], model["roles"], model["auth_state"]) == (True, ["admin", "user"], None)
    assert "admin:users" in model["scopes"]


async def test_t9_a_token_issued_in_a_session_tells_which(hub: RunningHub) -> None:
    session = (await hub.session("ada")).session
    token = await hub.token("ada", session_id=session.session_id)
    assert (await hub.client(token).get(f"{hub.api}/user")).json()["session_id"] == session.session_id


async def test_somebody_in_a_browser(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    model = (await browser.get(f"{hub.api}/user")).json()
    assert (model["name"], model["token_id"]) == ("ada", None)
    assert len(model["session_id"]) == 32


async def test_a_service(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ops", "list:users", "read:hub", service=True, admin=True))
    assert (await client.get(f"{hub.api}/user")).json() == {
        "kind": "service",
        "name": "ops",
        "admin": True,
        "token_id": "a1",
        "session_id": None,
        "scopes": ["list:users", "read:hub", "read:users:name"],
    }


async def test_a_service_sees_as_much_of_itself_as_it_may(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ops", "read:services", "read:roles:services", service=True))
    model = (await client.get(f"{hub.api}/user")).json()
    assert model["roles"] == ["service-ops"]
    assert (model["url"], model["prefix"], model["command"], model["info"]) == ("", "", [], {})
    assert (model["pid"], model["display"]) == (0, True)


async def test_a_running_server_is_part_of_its_owner(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client = hub.client(await hub.token("ada"))
    await client.post(f"{hub.api}/users/ada/server")
    model = (await client.get(f"{hub.api}/user")).json()
    assert model["server"] == f"{hub.state.settings.base_url}user/ada/"
    assert model["servers"][""]["ready"] is True


async def test_who_am_i_is_answered_while_the_database_is_away(hub: RunningHub) -> None:
    client, stranger = hub.client(await hub.token("ada")), hub.client(await hub.token("bob"))
    known = await client.get(f"{hub.api}/user")
    hub.store.away = True
    again = await client.get(f"{hub.api}/user")
    assert (again.status_code, again.json()) == (200, known.json())
    # Times of last use were written since: what is told of them is old, all else is right.
    hub.state.activity.written += 1
    assert (await client.get(f"{hub.api}/user")).json() == known.json()
    refused = await stranger.get(f"{hub.api}/user")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert (await client.get(f"{hub.api}/users/ada")).status_code == 503
    hub.store.away = False
    assert (await stranger.get(f"{hub.api}/user")).status_code == 200


async def test_who_am_i_tells_every_change_at_once(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    before = (await client.get(f"{hub.api}/user")).json()
    assert (await client.get(f"{hub.api}/user")).json() == before
    async with hub.store.transaction() as tx:
        ada = await tx.users.get("ada")
        assert ada is not None
        await tx.groups.add_members((await tx.groups.add("staff")).id, [ada.id])
    assert (await client.get(f"{hub.api}/user")).json()["groups"] == ["staff"]
    await client.post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and server.ready, "ada")
    assert (await client.get(f"{hub.api}/user")).json()["servers"][""]["ready"]
