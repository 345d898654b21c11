from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import Request

from perijove.hub.core.paging import Page, Window
from perijove.hub.testing.running import RunningHub
from perijove.hub.web.api.paging import page_response, wants_pagination
from perijove.hub.web.schemas import PAGINATION_TYPE


def request(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (PAGINATION_TYPE, True),
        (f"application/json, {PAGINATION_TYPE};q=0.9", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_pages_come_to_who_asks_for_them(accept: str, wanted: bool) -> None:
    assert wants_pagination(request(accept)) is wanted


async def test_the_default_size_depends_on_whether_the_next_part_can_be_asked_for(hub: RunningHub) -> None:
    admin: Any = hub.client(await hub.token("root", admin=True))
    names = [f"user-{number}" for number in range(60)]
    await admin.post(f"{hub.api}/users", json={"usernames": names})
    assert len((await admin.get(f"{hub.api}/users")).json()) == 61
    page = (await admin.get(f"{hub.api}/users?sort=name", headers={"Accept": PAGINATION_TYPE})).json()
    assert len(page["items"]) == 50
    following = page["_pagination"]["next"]
    assert (following["offset"], following["limit"]) == (50, 50)
    assert "sort=name" in following["url"]
    last = (await admin.get(following["url"], headers={"Accept": PAGINATION_TYPE})).json()
    assert len(last["items"]) == 11
    assert last["_pagination"]["next"] is None


async def test_a_list_that_always_comes_in_pages_says_json_to_who_did_not_ask_for_them(hub: RunningHub) -> None:
    page = Page(["one"], Window(0, 1), 1)
    for accept, kind in ((PAGINATION_TYPE, PAGINATION_TYPE), ("*/*", "application/json")):
        answer = page_response(request(accept), page, page.items, hub.state.settings, always=True)
        assert answer.headers["content-type"] == kind
        assert json.loads(bytes(answer.body))["items"] == ["one"]
    assert bytes(page_response(request("*/*"), page, page.items, hub.state.settings).body) == b'["one"]'
