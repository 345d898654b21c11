from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import PerijoveError
from perijove.hub.testing.running import RunningHub
from perijove.hub.web.api.groups import members
from perijove.hub.web.schemas import PAGINATION_TYPE


@pytest.fixture
async def admin(hub: RunningHub) -> Any:
    """A client of an administrator."""
    return hub.client(await hub.token("root", admin=True))


@pytest.mark.parametrize("name", ["staff", "/realm/staff", "users", "é / properties"])
async def test_a_group_is_made_filled_shown_and_deleted(hub: RunningHub, admin: Any, name: str) -> None:
    for user in ("ada", "bob"):
        await hub.add_user(user)
    url = f"{hub.api}/groups/{name.replace('/', '%2F')}"
    made = await admin.post(url, json={"users": ["ada"]})
    assert made.status_code == 201
    assert made.json() == {"kind": "group", "name": name, "users": ["ada"], "properties": {}, "roles": []}
    assert (await admin.post(url)).status_code == 409
    assert (await admin.post(f"{url}/users", json={"users": ["bob"]})).json()["users"] == ["ada", "bob"]
    assert (await admin.request("DELETE", f"{url}/users", json={"users": ["ada"]})).json()["users"] == ["bob"]
    assert (await admin.put(f"{url}/properties", json={"a": {"b": 1}})).json()["properties"] == {"a": {"b": 1}}
    assert (await admin.get(url)).json()["users"] == ["bob"]
    assert (await admin.get(f"{hub.api}/users/bob")).json()["groups"] == [name]
    assert (await admin.delete(url)).status_code == 204
    assert (await admin.get(url)).status_code == 404
    assert (await admin.get(f"{hub.api}/users/bob")).json()["groups"] == []


async def test_groups_are_listed_in_both_forms(hub: RunningHub, admin: Any) -> None:
    url = f"{hub.api}/groups"
    assert (await admin.post(url, json={"groups": ["a", "b", "c"]})).status_code == 201
    assert [group["name"] for group in (await admin.get(url)).json()] == ["a", "b", "c"]
    page = (await admin.get(f"{url}?limit=2", headers={"Accept": PAGINATION_TYPE})).json()
    assert [group["name"] for group in page["items"]] == ["a", "b"]
    assert page["_pagination"]["total"] == 3
    following = (await admin.get(page["_pagination"]["next"]["url"], headers={"Accept": PAGINATION_TYPE})).json()
    assert [group["name"] for group in following["items"]] == ["c"]


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "", {"groups": []}, "at least one group"),
        ("POST", "", {"groups": "staff"}, "groups must be list"),
        ("POST", "", {"groups": [1]}, "groups must be a list of strings"),
        ("POST", "", {"groups": ["a"], "nonsense": 1}, "nonsense"),
        ("POST", "", {"groups": ["a"], "users": ["nobody"]}, "No such user: 'nobody'"),
        ("POST", "/%20staff", {}, "Invalid group name"),
        ("POST", "", {"groups": ["staff/users"]}, "ends like an address"),
        ("POST", "/staff/users", {}, "Must specify users"),
        ("POST", "/staff/users", {"users": ["nobody"]}, "No such user"),
        ("PUT", "/staff/properties", [1], "JSON object"),
        ("PUT", "/staff/properties", None, "JSON object"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    hub: RunningHub, admin: Any, method: str, path: str, body: Any, told: str
) -> None:
    await admin.post(f"{hub.api}/groups/staff")
    answer = await admin.request(method, f"{hub.api}/groups{path}", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["message"]


def test_members_must_be_said() -> None:
    assert members({"users": ["ada"]}) == ["ada"]
    with pytest.raises(PerijoveError):
        members(None)
