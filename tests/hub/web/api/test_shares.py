from __future__ import annotations

from typing import Any

import httpx
import pytest

from perijove.hub.core.paging import Window
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import hash_token
from perijove.hub.core.users import User
from perijove.hub.ports.store import ShareQuery
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.usecases import shares
from perijove.hub.web.schemas import PAGINATION_TYPE

SHARER = ("shares", "read:users:name", "read:groups:name", "servers!user=ada")
"""What whoever shares ada's servers in these tests may do."""


async def people(hub: RunningHub) -> None:
    """Make ada with a default server and one called lab, and bob in the group staff."""
    ada, bob = await hub.add_user("ada"), await hub.add_user("bob")
    async with hub.store.transaction() as tx:
        staff = await tx.groups.add("staff")
        await tx.groups.add_members(staff.id, [bob.id])
        for name in ("", "lab"):
            await tx.servers.add(ada.id, name)


async def sharer(hub: RunningHub) -> httpx.AsyncClient:
    return hub.client(await hub.token("sharer", *SHARER, service=True))


async def scopes_of(hub: RunningHub, token: str) -> list[str]:
    answer = await hub.client(token).get(f"{hub.api}/user")
    assert answer.status_code == 200
    return [scope for scope in answer.json()["scopes"] if "!server=" in scope]


async def user_named(hub: RunningHub, name: str) -> User:
    async with hub.store.transaction() as tx:
        user = await tx.users.get(name)
    assert user is not None
    return user


async def test_the_model_of_a_share(hub: RunningHub) -> None:
    await people(hub)
    client = await sharer(hub)
    answer = await client.post(f"{hub.api}/shares/ada/lab", json={"user": "bob"})
    assert answer.status_code == 200
    expected = {
        "server": {
            "user": {"name": "ada"},
            "name": "lab",
            "url": f"{hub.state.settings.base_url}user/ada/lab/",
            "full_url": None,
            "ready": False,
        },
        "scopes": ["access:servers!server=ada/lab"],
        "user": {"name": "bob"},
        "group": None,
        "kind": "user",
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert answer.json() == expected
    group = (await client.post(f"{hub.api}/shares/ada/", json={"group": "staff"})).json()
    assert (group["user"], group["group"], group["kind"]) == (None, {"name": "staff"}, "group")
    assert group["scopes"] == ["access:servers!server=ada/"]
    listed = await client.get(f"{hub.api}/shares/ada")
    assert listed.headers["content-type"] == "application/json"
    assert listed.json() == {
        "items": [expected, group],
        "_pagination": {"offset": 0, "limit": 200, "total": 2, "next": None},
    }
    assert (await client.get(f"{hub.api}/shares/ada/lab")).json()["items"] == [expected]
    assert (await client.get(f"{hub.api}/users/bob/shared")).json()["items"] == [expected, group]
    assert (await client.get(f"{hub.api}/users/bob/shared/ada/lab")).json() == expected
    assert (await client.get(f"{hub.api}/groups/staff/shared")).json()["items"] == [group]
    assert (await client.get(f"{hub.api}/groups/staff/shared/ada/")).json() == group


async def test_lists_are_in_pages_whatever_the_caller_accepts(hub: RunningHub) -> None:
    await people(hub)
    client = await sharer(hub)
    for name in ("", "lab"):
        await client.post(f"{hub.api}/shares/ada/{name}", json={"user": "bob"})
    first = await client.get(f"{hub.api}/shares/ada", params={"limit": 1}, headers={"Accept": PAGINATION_TYPE})
    following = first.json()["_pagination"]["next"]
    assert (following["offset"], following["limit"]) == (1, 1)
    second = (await client.get(following["url"])).json()
    assert [share["server"]["name"] for share in first.json()["items"] + second["items"]] == ["", "lab"]
    assert second["_pagination"]["next"] is None
    default = await client.get(f"{hub.api}/share-codes/ada", headers={"Accept": PAGINATION_TYPE})
    assert default.json()["_pagination"]["limit"] == 50
    assert (await client.get(f"{hub.api}/shares/ada?limit=x")).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("ada/lab", {"user": "bob", "scopes": ["access:servers", "servers"]}, 200),
        ("ada/lab", {"user": "bob", "group": None, "scopes": None}, 200),
        ("ada/lab", {"user": "nobody"}, 400),
        ("ada/lab", {"group": "none"}, 400),
        ("ada/lab", {"user": "bob", "group": "staff"}, 400),
        ("ada/lab", {}, 400),
        ("ada/lab", None, 400),
        ("ada/lab", [], 400),
        ("ada/lab", {"user": 5}, 400),
        ("ada/lab", {"user": "a/b"}, 400),
        ("ada/lab", {"user": "ada"}, 400),
        ("ada/lab", {"user": "bob", "nonsense": 1}, 400),
        ("ada/lab", {"user": "bob", "scopes": "servers"}, 400),
        ("ada/lab", {"user": "bob", "scopes": [5]}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["x" * 513]}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["servers"] * 101}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["self"]}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["no:such"]}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["access:servers!server=bob/"]}, 400),
        ("ada/lab", {"user": "bob", "scopes": ["read:users"]}, 403),
        ("ada/none", {"user": "bob"}, 404),
        ("ada/a/b", {"user": "bob"}, 404),
        ("nobody/", {"user": "bob"}, 404),
        ("bob/", {"user": "ada"}, 404),
        ("ada", {"user": "bob"}, 405),
    ],
)
async def test_what_is_shared_is_checked(hub: RunningHub, path: str, body: Any, status: int) -> None:
    await people(hub)
    answer = await (await sharer(hub)).post(f"{hub.api}/shares/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["message"]


async def test_an_administrator_may_share_whatever_can_be_limited_to_a_server(hub: RunningHub) -> None:
    await people(hub)
    client = hub.client(await hub.token("root", admin=True))
    body = {"user": "bob", "scopes": ["read:users"]}
    assert (await client.post(f"{hub.api}/shares/ada/lab", json=body)).status_code == 200
    assert await scopes_of(hub, await hub.token("bob")) == []


async def test_a_share_grows_and_shrinks(hub: RunningHub) -> None:
    await people(hub)
    client, lab = await sharer(hub), f"{hub.api}/shares/ada/lab"
    token = await hub.token("bob")
    await client.post(lab, json={"user": "bob", "scopes": ["read:servers"]})
    grown = (await client.post(lab, json={"user": "bob"})).json()
    assert grown["scopes"] == ["access:servers!server=ada/lab", "read:servers!server=ada/lab"]
    assert await scopes_of(hub, token) == grown["scopes"]
    left = await client.patch(lab, json={"user": "bob", "scopes": ["read:servers!server=ada/lab"]})
    assert left.json()["scopes"] == ["access:servers!server=ada/lab"]
    assert (await client.patch(lab, json={"user": "bob", "scopes": ["servers"]})).json() == left.json()
    assert await scopes_of(hub, token) == ["access:servers!server=ada/lab"]
    for body in ({"user": "nobody"}, {"group": "none"}, {"group": "staff"}, {"user": "bob"}, {"user": "bob"}):
        answer = await client.patch(lab, json=body)
        assert (answer.status_code, answer.json()) == (200, {})
    assert await scopes_of(hub, token) == []
    assert (await client.patch(lab, json={})).status_code == 400
    assert (await client.patch(f"{hub.api}/shares/ada/none", json={"user": "bob"})).status_code == 404


async def test_what_is_shared_ends(hub: RunningHub) -> None:
    await people(hub)
    client, bob = await sharer(hub), hub.client(await hub.token("bob"))
    for name, body in (("", {"user": "bob"}), ("lab", {"user": "bob"}), ("lab", {"group": "staff"})):
        assert (await client.post(f"{hub.api}/shares/ada/{name}", json=body)).status_code == 200
    # What a group has is not the member's own.
    own = f"{hub.api}/users/bob/shared/ada/"
    assert [(await bob.delete(own)).status_code for _ in range(2)] == [204, 404]
    assert (await bob.get(f"{hub.api}/users/bob/shared/ada/none")).status_code == 404
    assert (await bob.get(f"{hub.api}/users/bob/shared/nobody/lab")).status_code == 404
    assert (await bob.get(f"{hub.api}/groups/staff/shared")).status_code == 403
    group = f"{hub.api}/groups/staff/shared/ada/lab"
    assert [(await client.delete(group)).status_code for _ in range(2)] == [204, 404]
    assert [(await client.delete(f"{hub.api}/shares/ada/lab")).status_code for _ in range(2)] == [204, 204]
    assert (await client.get(f"{hub.api}/shares/ada")).json()["items"] == []


async def test_a_group_whose_name_has_slashes(hub: RunningHub) -> None:
    await people(hub)
    async with hub.store.transaction() as tx:
        await tx.groups.add("/org/shared/staff")
    client = await sharer(hub)
    assert (await client.post(f"{hub.api}/shares/ada/lab", json={"group": "/org/shared/staff"})).status_code == 200
    path = f"{hub.api}/groups/%2Forg%2Fshared%2Fstaff/shared"
    assert len((await client.get(path)).json()["items"]) == 1
    assert (await client.get(f"{path}/ada/lab")).json()["group"] == {"name": "/org/shared/staff"}
    assert (await client.delete(f"{path}/ada/lab")).status_code == 204


async def test_users_do_not_share_unless_they_are_given_that(hub: RunningHub) -> None:
    await people(hub)
    ada, bob = hub.client(await hub.token("ada")), hub.client(await hub.token("bob"))
    for path, body in (("shares", {"user": "bob"}), ("share-codes", {})):
        assert (await ada.post(f"{hub.api}/{path}/ada/lab", json=body)).status_code == 403
        assert (await bob.post(f"{hub.api}/{path}/ada/lab", json=body)).status_code == 403
        assert (await ada.get(f"{hub.api}/{path}/ada")).status_code == 200
        assert (await bob.get(f"{hub.api}/{path}/ada")).status_code == 404


# -- whoever shares


async def test_ghsa_c4gm_nobody_shares_more_than_they_may_do(hub: RunningHub) -> None:
    await people(hub)
    weak = hub.client(
        await hub.token("weak", "shares!server=ada/lab", "read:users:name!user=bob", service=True),
    )
    lab = f"{hub.api}/shares/ada/lab"
    assert (await weak.post(lab, json={"user": "bob"})).status_code == 200
    for scope in ("servers", "delete:servers", "admin:servers", "tokens", "admin:users", "shutdown"):
        for path, body in (("shares", {"user": "bob"}), ("share-codes", {})):
            answer = await weak.post(f"{hub.api}/{path}/ada/lab", json={**body, "scopes": [scope]})
            assert (answer.status_code, "may not do" in answer.json()["message"]) == (403, True), scope
    assert (await weak.post(f"{hub.api}/shares/ada/", json={"user": "bob"})).status_code == 404
    assert await scopes_of(hub, await hub.token("bob")) == ["access:servers!server=ada/lab"]


async def test_ghsa_c4gm_a_token_shares_no_more_than_the_token_allows(hub: RunningHub) -> None:
    await people(hub)
    await hub.token("root", admin=True)
    token = await hub.token("root", "shares!user=ada", "read:users:name!user=bob")
    body = {"user": "bob", "scopes": ["servers"]}
    assert (await hub.client(token).post(f"{hub.api}/shares/ada/lab", json=body)).status_code == 403


async def test_ghsa_c4gm_whoever_got_a_share_passes_on_nothing(hub: RunningHub) -> None:
    await people(hub)
    await hub.add_user("eve")
    body = {"user": "bob", "scopes": ["access:servers", "servers"]}
    assert (await (await sharer(hub)).post(f"{hub.api}/shares/ada/lab", json=body)).status_code == 200
    bob = hub.client(await hub.token("bob"))
    for path, wanted in (("shares", {"user": "eve"}), ("share-codes", {})):
        assert (await bob.post(f"{hub.api}/{path}/ada/lab", json=wanted)).status_code == 403


async def test_the_recipient_is_known_by_name_or_nothing_is_told_of_them(hub: RunningHub) -> None:
    await people(hub)
    blind = hub.client(await hub.token("blind", "shares!user=ada", service=True))
    answers = [
        await blind.post(f"{hub.api}/shares/ada/lab", json={kind: name})
        for kind, name in (("user", "bob"), ("user", "nobody"), ("group", "staff"), ("group", "none"))
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 2
    one = await hub.token(
        "one", "shares!user=ada", "read:users:name!group=staff", "read:groups:name!group=staff", service=True
    )
    for body, status in (({"user": "bob"}, 200), ({"group": "staff"}, 200), ({"user": "sharer"}, 403)):
        assert (await hub.client(one).post(f"{hub.api}/shares/ada/lab", json=body)).status_code == status


async def test_a_share_stays_when_the_giver_may_share_no_longer(hub: RunningHub) -> None:
    await people(hub)
    token = await hub.token("root", admin=True)
    assert (await hub.client(token).post(f"{hub.api}/shares/ada/lab", json={"user": "bob"})).status_code == 200
    await hub.add_user("root", admin=False)
    assert (await hub.client(token).delete(f"{hub.api}/shares/ada/lab")).status_code == 403
    assert await scopes_of(hub, await hub.token("bob")) == ["access:servers!server=ada/lab"]


# -- what happens to users, groups and servers


async def test_ghsa_mj6q_shares_go_with_their_owner_and_their_holder_to_a_new_name(hub: RunningHub) -> None:
    await people(hub)
    root, token = hub.client(await hub.token("root", admin=True)), await hub.token("bob")
    await root.post(f"{hub.api}/shares/ada/lab", json={"user": "bob"})
    code = (await root.post(f"{hub.api}/share-codes/ada/lab")).json()
    for old, new in (("ada", "eva"), ("bob", "rob")):
        assert (await root.patch(f"{hub.api}/users/{old}", json={"name": new})).status_code == 200
        # Somebody else who takes the old name takes nothing with it.
        assert (await root.post(f"{hub.api}/users/{old}")).status_code == 201
    user = await user_named(hub, "ada")
    async with hub.store.transaction() as tx:
        await tx.servers.add(user.id, "lab")
    assert await scopes_of(hub, token) == ["access:servers!server=eva/lab"]
    assert await scopes_of(hub, await hub.token("bob")) == []
    (share,) = (await root.get(f"{hub.api}/shares/eva/lab")).json()["items"]
    assert (share["server"]["user"], share["user"]) == ({"name": "eva"}, {"name": "rob"})
    assert (await root.get(f"{hub.api}/shares/ada/lab")).json()["items"] == []
    assert (await root.get(f"{hub.api}/share-codes/ada")).json()["items"] == []
    (model,) = (await root.get(f"{hub.api}/share-codes/eva/lab")).json()["items"]
    assert model["id"] == code["id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/users/ada", None), ("/users/bob", None), ("/groups/staff", None), ("/users/ada/servers/lab", {"remove": True})],
)
async def test_ghsa_mj6q_what_is_deleted_takes_its_shares_along(hub: RunningHub, path: str, body: Any) -> None:
    await people(hub)
    root = hub.client(await hub.token("root", admin=True))
    holder = {"group": "staff"} if "staff" in path else {"user": "bob"}
    await root.post(f"{hub.api}/shares/ada/lab", json=holder)
    code = (await root.post(f"{hub.api}/share-codes/ada/lab")).json()["code"]
    answer = await root.request("DELETE", f"{hub.api}{path}", json=body)
    assert answer.status_code in ({202, 204} if body else {204})
    if body:
        await hub.until(lambda server: server is None, "ada", "lab")
    ada, bob = await hub.add_user("ada"), await hub.add_user("bob")
    async with hub.store.transaction() as tx:
        # Whatever takes the old name takes nothing with it.
        if (staff := await tx.groups.get("staff")) is None:
            staff = await tx.groups.add("staff")
        await tx.groups.add_members(staff.id, [bob.id])
        if await tx.servers.get(ada.id, "lab") is None:
            await tx.servers.add(ada.id, "lab")
    assert (await root.get(f"{hub.api}/shares/ada")).json()["items"] == []
    assert await scopes_of(hub, await hub.token("bob")) == []
    if "ada" in path:
        carol = await hub.browser("carol")
        assert (await carol.get(f"{hub.prefix}accept-share", params={"code": code})).status_code == 404


async def test_whoever_leaves_the_group_leaves_its_shares(hub: RunningHub) -> None:
    await people(hub)
    root, token = hub.client(await hub.token("root", admin=True)), await hub.token("bob")
    await root.post(f"{hub.api}/shares/ada/lab", json={"group": "staff"})
    assert await scopes_of(hub, token) == ["access:servers!server=ada/lab"]
    await root.request("DELETE", f"{hub.api}/groups/staff/users", json={"users": ["bob"]})
    assert await scopes_of(hub, token) == []


@pytest.mark.parametrize("path", ["/shares/a%2Fb/", "/shares/%00/lab", "/share-codes/%7F", "/users/..%2Fx/shared"])
async def test_ghsa_93gc_names_in_addresses_are_checked(hub: RunningHub, path: str) -> None:
    answer = await hub.client(await hub.token("root", admin=True)).get(f"{hub.api}{path}")
    assert answer.status_code in {400, 404}
    assert answer.json()["message"].isprintable()


# -- codes


async def test_a_code_is_told_once(hub: RunningHub) -> None:
    await people(hub)
    client = await sharer(hub)
    answer = await client.post(f"{hub.api}/share-codes/ada/lab")
    assert answer.status_code == 200
    model = answer.json()
    code = model.pop("code")
    assert len(code) == 43
    assert model.pop("accept_url") == f"{hub.prefix}accept-share?code={code}"
    assert model.pop("full_accept_url") is None
    assert model == {
        "server": model["server"],
        "scopes": ["access:servers!server=ada/lab"],
        "id": model["id"],
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "exchange_count": 0,
        "last_exchanged_at": None,
    }
    listed = await client.get(f"{hub.api}/share-codes/ada/lab")
    assert listed.json()["items"] == [model]
    assert listed.headers["content-type"] == "application/json"
    async with hub.store.transaction() as tx:
        (stored,) = (await tx.share_codes.list(ShareQuery(Window(), hub.clock.now()))).items
    assert stored.code_hash == hash_token(code)
    assert code not in repr((stored, hub.telemetry.facts))


async def test_a_code_has_a_full_address_where_the_hub_knows_its_own() -> None:
    async with running_hub(site=Site(origin="https://hub.test")) as hub:
        await people(hub)
        model = (await (await sharer(hub)).post(f"{hub.api}/share-codes/ada/lab")).json()
        assert model["full_accept_url"] == f"https://hub.test{model['accept_url']}"
        assert model["server"]["full_url"] == "https://hub.test/user/ada/lab/"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("ada/lab", {"expires_in": 3600, "scopes": ["access:servers"]}, 200),
        ("ada/lab", {"expires_in": None}, 200),
        ("ada/lab", {"expires_in": 5}, 400),
        ("ada/lab", {"expires_in": 31_536_001}, 400),
        ("ada/lab", {"expires_in": "60"}, 400),
        ("ada/lab", {"expires_in": True}, 400),
        ("ada/lab", {"expires_in": 60.5}, 400),
        ("ada/lab", {"nonsense": 5}, 400),
        ("ada/lab", {"scopes": ["access:servers!server=bob/"]}, 400),
        ("ada/lab", {"scopes": ["read:users"]}, 403),
        ("ada/none", {}, 404),
        ("ada", {}, 405),
    ],
)
async def test_a_code_that_is_asked_for_is_checked(hub: RunningHub, path: str, body: Any, status: int) -> None:
    await people(hub)
    answer = await (await sharer(hub)).post(f"{hub.api}/share-codes/{path}", json=body)
    assert answer.status_code == status, answer.text


async def test_codes_are_revoked_by_themselves_by_id_and_all_at_once(hub: RunningHub) -> None:
    await people(hub)
    client, lab = await sharer(hub), f"{hub.api}/share-codes/ada/lab"
    codes = [(await client.post(lab)).json() for _ in range(4)]
    other = (await client.post(f"{hub.api}/share-codes/ada/")).json()
    for query, status in (
        ({"code": codes[0]["code"]}, 204),
        ({"code": codes[0]["code"]}, 404),
        ({"id": codes[0]["id"]}, 404),
        ({"id": codes[1]["id"]}, 204),
        ({"id": other["id"]}, 404),
        ({"code": other["code"]}, 404),
        ({"code": "x" * 5000}, 404),
        *(({"id": wrong}, 404) for wrong in ("sc_999", "sc_", "7", "sc_x", f"sc_{2**60}")),
    ):
        assert (await client.delete(lab, params=query)).status_code == status, query
    assert len((await client.get(lab)).json()["items"]) == 2
    assert [(await client.delete(lab)).status_code for _ in range(2)] == [204, 204]
    assert [code["id"] for code in (await client.get(f"{hub.api}/share-codes/ada")).json()["items"]] == [other["id"]]


async def test_codes_that_are_over_are_not_listed_and_swept(hub: RunningHub) -> None:
    await people(hub)
    client, lab = await sharer(hub), f"{hub.api}/share-codes/ada/lab"
    code = (await client.post(lab, json={"expires_in": 60})).json()
    await client.post(lab, json={"expires_in": 120})
    hub.clock.advance(60)
    assert len((await client.get(lab)).json()["items"]) == 1
    assert (await client.delete(lab, params={"id": code["id"]})).status_code == 404
    assert await shares.purge(hub.state.ctx) == 1
    assert await shares.purge(hub.state.ctx) == 0


async def test_whoever_changes_a_group_decides_who_has_what_is_shared_with_it_and_gives_nothing_themselves(
    hub: RunningHub,
) -> None:
    """As in JupyterHub: else whoever shares with a group could keep its manager from adding members."""
    admin = hub.client(await hub.token("root", admin=True))
    for name in ("ada", "bob"):
        await hub.add_user(name)
    await admin.put(f"{hub.api}/users/ada/servers/lab")
    await admin.post(f"{hub.api}/groups/team")
    assert (await admin.post(f"{hub.api}/shares/ada/lab", json={"group": "team"})).status_code == 200

    scopes = ("groups!group=team", "groups:shares!group=team", "read:groups:name!group=team")
    manager = hub.client(await hub.token("manager", *scopes, service=True))
    assert (await manager.post(f"{hub.api}/groups/team/users", json={"users": ["bob"]})).status_code == 200
    shared = (await admin.get(f"{hub.api}/users/bob/shared")).json()["items"]
    assert [item["server"]["name"] for item in shared] == ["lab"]
    # They may end the group's share, but neither give one nor see what else is shared of the server.
    assert (await manager.post(f"{hub.api}/shares/ada/lab", json={"group": "team"})).status_code == 403
    assert (await manager.get(f"{hub.api}/shares/ada/lab")).status_code == 403
    assert (await manager.delete(f"{hub.api}/groups/team/shared/ada/lab")).status_code == 204
    assert (await admin.get(f"{hub.api}/users/bob/shared")).json()["items"] == []
