from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.events import AuthStateChanged
from perijove.hub.testing.running import RunningHub
from perijove.hub.usecases.auth_states import StoredAuthState
from perijove.hub.web.api.users import flag


@pytest.fixture
async def admin(hub: RunningHub) -> Any:
    """A client of an administrator."""
    return hub.client(await hub.token("root", admin=True))


@pytest.mark.parametrize(
    ("value", "means"), [(None, False), ("", True), ("1", True), ("yes", True), ("0", False), ("False", False)]
)
def test_flags(value: str | None, means: bool) -> None:
    assert flag(value) is means


async def names(client: Any, url: str) -> list[str]:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return [model["name"] for model in answer.json()]


async def test_lists_are_filtered_and_sorted(hub: RunningHub, admin: Any) -> None:
    for name in ("carl", "bob", "ann"):
        await hub.add_user(name)
    url = f"{hub.api}/users"
    assert await names(admin, url) == ["root", "carl", "bob", "ann"]
    assert await names(admin, f"{url}?sort=-id") == ["ann", "bob", "carl", "root"]
    assert await names(admin, f"{url}?sort=name") == ["ann", "bob", "carl", "root"]
    assert await names(admin, f"{url}?sort=-name&limit=2") == ["root", "carl"]
    assert await names(admin, f"{url}?name_filter=B") == ["bob"]
    assert await names(admin, f"{url}?name_filter=%25") == []
    assert await names(admin, f"{url}?offset=2") == ["bob", "ann"]
    assert await names(admin, f"{url}?offset=-5&limit=1") == ["root"]
    assert await names(admin, f"{url}?offset=9007199254740992") == []
    hub.clock.advance(5)
    browser = await hub.browser("bob")
    await browser.get(f"{hub.api}/user")
    await hub.state.activity.flush()
    assert (await names(admin, f"{url}?sort=-last_activity"))[0] in {"bob", "root"}
    assert (await names(admin, f"{url}?sort=last_activity"))[0] in {"carl", "ann"}


@pytest.mark.parametrize(
    "query",
    [
        "state=busy",
        "state=",
        "sort=age",
        "sort=--id",
        "sort=",
        "limit=ten",
        "limit=1.5",
        "offset=x",
        "offset=" + "9" * 30,
    ],
)
async def test_a_wrong_wish_for_a_list_is_400(hub: RunningHub, admin: Any, query: str) -> None:
    answer = await admin.get(f"{hub.api}/users?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_states_of_users(hub: RunningHub, admin: Any) -> None:
    await admin.post(f"{hub.api}/users", json={"usernames": ["idle", "busy", "starting"]})
    await admin.post(f"{hub.api}/users/busy/server")
    await hub.until(lambda server: server is not None and server.ready, "busy")
    hub.world.hang_start = True
    await admin.post(f"{hub.api}/users/starting/server")
    assert await names(admin, f"{hub.api}/users?state=active&sort=name") == ["busy", "starting"]
    assert await names(admin, f"{hub.api}/users?state=ready") == ["busy"]
    assert await names(admin, f"{hub.api}/users?state=inactive&sort=name") == ["idle", "root"]


async def test_69wv_a_filtered_scope_lists_only_whom_it_names(hub: RunningHub) -> None:
    await hub.add_user("bob")
    own = hub.client(await hub.token("ops", "list:users!user=bob", service=True))
    assert await names(own, f"{hub.api}/users") == ["bob"]
    grouped = hub.client(await hub.token("ops2", "list:users!group=g", service=True))
    assert await names(grouped, f"{hub.api}/users") == []
    served = hub.client(await hub.token("ops3", "list:users!server=bob/", service=True))
    assert (await served.get(f"{hub.api}/users")).status_code == 403
    assert (await hub.client(await hub.token("ada")).get(f"{hub.api}/users")).status_code == 403


async def test_users_are_created_together(hub: RunningHub, admin: Any) -> None:
    answer = await admin.post(f"{hub.api}/users", json={"usernames": ["Ann", "bob", "root", "ann"]})
    assert answer.status_code == 201
    assert [(model["name"], model["admin"]) for model in answer.json()] == [("ann", False), ("bob", False)]
    again = await admin.post(f"{hub.api}/users", json={"usernames": ["ann", "bob"]})
    assert (again.status_code, again.json()["message"]) == (409, "All these users already exist")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"usernames": []},
        {"usernames": "ann"},
        {"usernames": [1]},
        {"usernames": ["ann", ""]},
        {"usernames": ["a/b"]},
        {"usernames": ["x" * 300]},
        {"usernames": ["ann"], "admin": "yes"},
        {"usernames": ["ann"], "groups": []},
        ["ann"],
    ],
)
async def test_a_wrong_wish_for_users_is_400_and_creates_nobody(hub: RunningHub, admin: Any, body: Any) -> None:
    answer = (
        await admin.post(f"{hub.api}/users", json=body) if body is not None else await admin.post(f"{hub.api}/users")
    )
    assert answer.status_code == 400
    assert await names(admin, f"{hub.api}/users") == ["root"]


async def test_cve_2024_41942_only_administrators_make_administrators(hub: RunningHub, admin: Any) -> None:
    partial = hub.client(await hub.token("ops", "admin:users", service=True))
    for url, body in (
        (f"{hub.api}/users", {"usernames": ["x"], "admin": True}),
        (f"{hub.api}/users/x", {"admin": True}),
    ):
        assert (await partial.post(url, json=body)).status_code == 403
    made = await admin.post(f"{hub.api}/users/x", json={"admin": True})
    assert (made.status_code, made.json()["admin"]) == (201, True)


async def test_one_user_is_created(hub: RunningHub, admin: Any) -> None:
    made = await admin.post(f"{hub.api}/users/Ann%20Lee")
    assert (made.status_code, made.json()["name"]) == (201, "ann lee")
    assert (await admin.post(f"{hub.api}/users/ann%20lee")).status_code == 409
    assert (await admin.post(f"{hub.api}/users/x%5Cy")).status_code == 400
    assert (await admin.post(f"{hub.api}/users/y", json={"name": "z"})).status_code == 400
    assert (await admin.post(f"{hub.api}/users/y", json=[])).status_code == 400


async def test_a_user_is_shown_under_every_spelling(hub: RunningHub, admin: Any) -> None:
    await hub.add_user("j\u00fcrgen@x")
    for spelling in ("j%C3%BCrgen@x", "J%C3%9CRGEN%40X", "ju%CC%88rgen@x"):
        assert (await admin.get(f"{hub.api}/users/{spelling}")).json()["name"] == "j\u00fcrgen@x"
    assert (await admin.get(f"{hub.api}/users/nobody")).status_code == 404


@pytest.mark.parametrize("scope", ["read:users:groups", "read:roles:users", "read:users:activity", "read:servers"])
async def test_any_reading_scope_shows_a_user(hub: RunningHub, scope: str) -> None:
    await hub.add_user("ada")
    answer = await hub.client(await hub.token("ops", scope, service=True)).get(f"{hub.api}/users/ada")
    assert (answer.status_code, answer.json()["name"]) == (200, "ada")


async def test_stopped_servers_are_shown_if_asked_for(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client = hub.client(await hub.token("ada"))
    await client.post(f"{hub.api}/users/ada/server")
    await client.delete(f"{hub.api}/users/ada/server")
    assert (await client.get(f"{hub.api}/users/ada")).json()["servers"] == {}
    for query in ("include_stopped_servers", "include_stopped_servers=1"):
        shown = (await client.get(f"{hub.api}/users/ada?{query}")).json()["servers"]
        assert shown[""]["stopped"] is True
    assert (await client.get(f"{hub.api}/users/ada?include_stopped_servers=0")).json()["servers"] == {}


async def test_a_user_is_deleted_with_a_running_server(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    admin = hub.client(await hub.token("root", admin=True))
    token = await hub.token("ada")
    for name in ("", "other"):
        assert (await hub.client(token).post(f"{hub.api}/users/ada/servers/{name}")).status_code == 201
    gone = await admin.delete(f"{hub.api}/users/ada")
    assert (gone.status_code, gone.content) == (204, b"")
    assert not hub.world.running()
    assert (await hub.client(token).get(f"{hub.api}/user")).status_code == 403
    assert (await admin.delete(f"{hub.api}/users/ada")).status_code == 404


async def test_nobody_deletes_themselves_or_without_the_scope(hub: RunningHub, admin: Any) -> None:
    await hub.add_user("ada")
    assert (await admin.delete(f"{hub.api}/users/root")).status_code == 400
    assert (await hub.client(await hub.token("ada")).delete(f"{hub.api}/users/ada")).status_code == 403


async def test_a_user_whose_server_does_not_stop_stays(hub: RunningHub, admin: Any) -> None:
    ada = hub.client(await hub.token("ada"))
    await ada.post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and server.ready, "ada")
    hub.world.hang_stop = True
    assert (await admin.delete(f"{hub.api}/users/ada")).status_code == 409
    assert (await admin.get(f"{hub.api}/users/ada")).status_code == 200


async def test_t4_a_server_reports_activity_while_it_is_starting(hub: RunningHub) -> None:
    hub.world.hang_start = True
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    server = await hub.until(lambda server: server is not None and bool(server.spawner_state), "ada")
    assert server is not None
    own = await hub.token("ada", "users:activity!user", "access:servers!server", server_id=server.id)
    body = {"servers": {"": {"last_activity": "2026-01-01T00:00:30Z"}}, "last_activity": "2026-01-01T00:00:30.5Z"}
    answer = await hub.client(own).post(f"{hub.api}/users/ada/activity", json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    await hub.state.activity.flush()
    model = (await hub.client(await hub.token("ada")).get(f"{hub.api}/users/ada")).json()
    assert model["last_activity"] == "2026-01-01T00:00:30.500000Z"
    assert model["servers"][""]["last_activity"] == "2026-01-01T00:00:30Z"


@pytest.mark.parametrize(
    ("time", "stored"),
    [
        ("2026-01-01T00:00:10", "2026-01-01T00:00:10Z"),
        ("2026-01-01T02:00:10+02:00", "2026-01-01T00:00:10Z"),
        ("2026-01-01T00:59:00Z", "2026-01-01T00:59:00Z"),
    ],
)
async def test_times_of_activity_are_read_as_utc(hub: RunningHub, time: str, stored: str) -> None:
    client = hub.client(await hub.token("ada"))
    answer = await client.post(f"{hub.api}/users/ada/activity", json={"last_activity": time})
    assert answer.status_code == 200
    await hub.state.activity.flush()
    assert (await client.get(f"{hub.api}/users/ada")).json()["last_activity"] == stored


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        {"last_activity": None},
        {"last_activity": "yesterday"},
        {"last_activity": 17},
        {"last_activity": "2026-01-01T00:59:01Z"},
        {"last_activity": "0001-01-01T00:00:00+14:00"},
        {"last_activity": "9999-12-31T23:59:59-14:00"},
        {"servers": []},
        {"servers": {"": {}}},
        {"servers": {"": "now"}},
        {"servers": {"unknown": {"last_activity": "2026-01-01T00:00:00Z"}}},
    ],
)
async def test_a_wrong_report_of_activity_is_400(hub: RunningHub, body: Any) -> None:
    client = hub.client(await hub.token("ada"))
    assert (await client.post(f"{hub.api}/users/ada/activity", json=body)).status_code == 400


async def test_activity_of_others_is_reported_by_those_who_may(hub: RunningHub, admin: Any) -> None:
    await hub.add_user("bob")
    body = {"last_activity": "2026-01-01T00:00:00Z"}
    assert (
        await hub.client(await hub.token("ada")).post(f"{hub.api}/users/bob/activity", json=body)
    ).status_code == 404
    assert (await admin.post(f"{hub.api}/users/bob/activity", json=body)).status_code == 200
    assert (await admin.post(f"{hub.api}/users/nobody/activity", json=body)).status_code == 404


async def test_a_user_is_changed(hub: RunningHub, admin: Any) -> None:
    await hub.add_user("ada")
    await admin.post(f"{hub.api}/groups", json={"groups": ["staff", "guests"]})
    url = f"{hub.api}/users/ada"
    assert (await admin.patch(url, json={"admin": True})).json()["admin"]
    changed = (await admin.patch(url, json={"admin": False, "groups": ["staff"]})).json()
    assert (changed["admin"], changed["groups"], changed["roles"]) == (False, ["staff"], ["user"])
    assert (await admin.patch(url, json={"groups": ["guests"]})).json()["groups"] == ["guests"]
    assert (await admin.patch(url, json={"roles": ["user", "admin"]})).json()["admin"]
    assert (await admin.patch(url, json={"roles": []})).json()["roles"] == []
    renamed = await admin.patch(url, json={"name": "Augusta", "admin": False})
    assert renamed.json()["name"] == "augusta"
    assert (await admin.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "root"}, "already exists"),
        ({"name": "a/b"}, "Invalid usernames"),
        ({"admin": "yes"}, "admin must be bool"),
        ({"groups": ["none"]}, "No such group: 'none'"),
        ({"groups": "staff"}, "groups must be list"),
        ({"roles": ["none"]}, "No such role: 'none'"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    hub: RunningHub, admin: Any, body: dict[str, Any], told: str
) -> None:
    await hub.add_user("ada")
    before = (await admin.get(f"{hub.api}/users/ada")).json()
    answer = await admin.patch(f"{hub.api}/users/ada", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["message"]
    assert (await admin.get(f"{hub.api}/users/ada")).json() == before


async def test_a_user_whose_server_runs_keeps_the_name(hub: RunningHub, admin: Any) -> None:
    await hub.add_user("ada")
    await admin.post(f"{hub.api}/users/ada/server")
    answer = await admin.patch(f"{hub.api}/users/ada", json={"name": "augusta"})
    assert answer.status_code == 400
    assert "Stop the servers" in answer.json()["message"]


async def test_only_administrators_change_administrators_and_give_roles(hub: RunningHub) -> None:
    """CVE-2024-41942: whoever may only change users must not become more by that."""
    await hub.add_user("boss", admin=True)
    await hub.add_user("ada")
    ops = hub.client(await hub.token("ops", "admin:users", service=True))
    for name, body in (
        ("ada", {"admin": True}),
        ("boss", {"admin": False}),
        ("boss", {"name": "other"}),
        ("ada", {"roles": ["admin"]}),
    ):
        assert (await ops.patch(f"{hub.api}/users/{name}", json=body)).status_code == 403, body
    assert (await ops.patch(f"{hub.api}/users/ada", json={"name": "augusta"})).status_code == 200


async def test_a_token_of_an_administrator_for_less_makes_no_administrators(hub: RunningHub) -> None:
    """Else whoever finds such a token gets everything with it: an administrator of their own."""
    await hub.add_user("ada")
    narrow = hub.client(await hub.token("boss", "admin:users", "tokens", admin=True))
    for method, path, body in (
        ("POST", "/users", {"usernames": ["eve"], "admin": True}),
        ("POST", "/users/eve", {"admin": True}),
        ("PATCH", "/users/ada", {"admin": True}),
        ("PATCH", "/users/ada", {"roles": ["admin"]}),
    ):
        answer = await narrow.request(method, f"{hub.api}{path}", json=body)
        assert answer.status_code == 403, body
        assert "only if it allows all" in answer.json()["message"]
    assert (await narrow.post(f"{hub.api}/users/eve")).status_code == 201
    whole = hub.client(await hub.token("boss", admin=True))
    assert (await whole.patch(f"{hub.api}/users/eve", json={"admin": True})).json()["admin"] is True
    # What they are already stays, and what takes rights away needs no more than before.
    assert (await narrow.patch(f"{hub.api}/users/eve", json={"admin": True})).status_code == 200
    assert (await narrow.patch(f"{hub.api}/users/eve", json={"admin": False})).json()["admin"] is False


async def test_whoever_reaches_some_users_only_gives_no_names_and_no_groups(hub: RunningHub, admin: Any) -> None:
    """GHSA-69wv-m5fw-2fhp: a filter on an administrator's scope holds for every part of a change."""
    await hub.add_user("ada")
    await hub.add_user("bob")
    await admin.post(f"{hub.api}/groups", json={"groups": ["staff", "guests"], "users": ["ada"]})
    some = hub.client(await hub.token("some", "admin:users!group=staff", "groups!group=staff", service=True))
    assert (await some.patch(f"{hub.api}/users/bob", json={"groups": []})).status_code == 404
    assert (await some.patch(f"{hub.api}/users/ada", json={"groups": ["staff"]})).status_code == 404
    assert (await some.patch(f"{hub.api}/users/ada", json={"name": "admin"})).status_code == 403
    assert (await some.patch(f"{hub.api}/users/ada", json={"groups": ["guests"]})).status_code == 200


async def keep(hub: RunningHub, state: dict[str, Any]) -> None:
    user = await hub.add_user("ada")
    await StoredAuthState(hub.state.ctx, user.id).put(state)


async def test_the_authentication_state_is_shown_to_its_scope_alone(hub: RunningHub, admin: Any) -> None:
    await keep(hub, {"token": "secret"})
    url = f"{hub.api}/users/ada"
    assert (await admin.get(url)).json()["auth_state"] == {"token": "secret"}
    reader = hub.client(await hub.token("reader", "admin:auth_state", "read:users", service=True))
    assert (await reader.get(url)).json()["auth_state"] == {"token": "secret"}
    # In lists there is the field and nothing in it.
    models = {model["name"]: model for model in (await admin.get(f"{hub.api}/users")).json()}
    assert models["ada"]["auth_state"] is None
    for scope in ("read:users", "admin:auth_state!user=eve"):
        other = hub.client(await hub.token(f"other-{len(scope)}", scope, "read:users", service=True))
        answer = await other.get(url)
        assert "auth_state" not in answer.json()
        assert "secret" not in answer.text
    ada = hub.client(await hub.token("ada"))
    for place in (url, f"{hub.api}/user"):
        assert "secret" not in (await ada.get(place)).text


async def test_the_authentication_state_can_be_replaced(hub: RunningHub, admin: Any) -> None:
    await keep(hub, {"token": "secret"})
    url = f"{hub.api}/users/ada"
    answer = await admin.patch(url, json={"auth_state": {"token": "newer"}})
    assert (answer.status_code, answer.json()["auth_state"]) == (200, {"token": "newer"})
    assert hub.telemetry.of(AuthStateChanged) == [AuthStateChanged("ada", "root")]
    assert (await admin.patch(url, json={"admin": False})).json()["auth_state"] == {"token": "newer"}
    for wrong in ("newest", ["x"], None):
        assert (await admin.patch(url, json={"auth_state": wrong})).status_code == 400
    answer = await admin.patch(url, json={"admin": True, "auth_state": {"token": "x" * 300_000}})
    assert answer.status_code == 400
    shown = (await admin.get(url)).json()
    assert (shown["auth_state"], shown["admin"]) == ({"token": "newer"}, False)
    assert (await hub.client(await hub.token("ada")).patch(url, json={"auth_state": {}})).status_code == 403


async def test_what_the_authenticator_tells_everybody_is_shown(hub: RunningHub, admin: Any) -> None:
    user = await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        await tx.users.set_user_info(user.id, {"display_name": "Ada"})
    ada = hub.client(await hub.token("ada"))
    assert (await ada.get(f"{hub.api}/user")).json()["user_info"] == {"display_name": "Ada"}
    assert (await admin.get(f"{hub.api}/users/ada")).json()["user_info"] == {"display_name": "Ada"}
