from __future__ import annotations

import re
from typing import Any

import pytest

from perijove.hub.testing.running import ORIGIN, RunningHub

FROM_US = {"Origin": ORIGIN}


def form_token(page: Any) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.fixture
async def admin(waiting_hub: RunningHub) -> Any:
    """The browser of an administrator."""
    await waiting_hub.add_user("root", admin=True)
    return await waiting_hub.browser("root")


async def test_only_administrators_see_the_page_or_act_on_it(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser = await hub.browser("ada")
    assert (await browser.get(f"{hub.prefix}admin")).status_code == 403
    token = form_token(await browser.get(f"{hub.prefix}home"))
    for path in ("admin/users", "admin/accounts/x/approve", "admin/accounts/x/refuse"):
        answer = await browser.post(f"{hub.prefix}{path}", data={"_xsrf": token, "name": "new"}, headers=FROM_US)
        assert answer.status_code == 403, path
    async with hub.store.transaction() as tx:
        assert await tx.users.get("new") is None


async def test_people_who_signed_up_are_let_in_or_sent_away(waiting_hub: RunningHub, admin: Any) -> None:
    hub = waiting_hub
    assert hub.state.accounts is not None
    for name in ("ann lee", "bob"):
        await hub.state.accounts.sign_up(name, "long enough")
    page = await admin.get(f"{hub.prefix}admin")
    assert "ann lee" in page.text
    for name, verb in (("ann%20lee", "approve"), ("bob", "refuse")):
        data = {"_xsrf": form_token(page)}
        answer = await admin.post(f"{hub.prefix}admin/accounts/{name}/{verb}", data=data, headers=FROM_US)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{hub.prefix}admin")
        again = await admin.post(f"{hub.prefix}admin/accounts/{name}/{verb}", data=data, headers=FROM_US)
        assert again.status_code in {303, 404}
    async with hub.store.transaction() as tx:
        assert await tx.users.get("ann lee") is not None
        assert await tx.users.get("bob") is None


async def test_a_user_is_added(waiting_hub: RunningHub, admin: Any) -> None:
    hub = waiting_hub
    data = {"_xsrf": form_token(await admin.get(f"{hub.prefix}admin")), "name": " Carl "}
    assert (await admin.post(f"{hub.prefix}admin/users", data=data, headers=FROM_US)).status_code == 303
    assert "carl" in (await admin.get(f"{hub.prefix}admin")).text
    assert (await admin.post(f"{hub.prefix}admin/users", data=data, headers=FROM_US)).status_code == 409
    assert (
        await admin.post(f"{hub.prefix}admin/users", data=data | {"name": "a/b"}, headers=FROM_US)
    ).status_code == 400
    assert (
        await admin.post(f"{hub.prefix}admin/users", data=data | {"_xsrf": "x"}, headers=FROM_US)
    ).status_code == 403


async def test_many_users_come_in_pages(waiting_hub: RunningHub, admin: Any) -> None:
    hub = waiting_hub
    for number in range(5):
        await hub.add_user(f"user-{number}")
    page = (await admin.get(f"{hub.prefix}admin?limit=2&offset=2&name_filter=user")).text
    assert "user-2" in page
    assert "user-4" not in page
    assert f"{hub.prefix}admin?offset=4&amp;limit=2&amp;name_filter=user" in page
    assert f"{hub.prefix}admin?offset=0&amp;limit=2&amp;name_filter=user" in page
    assert (await admin.get(f"{hub.prefix}admin?limit=x")).status_code == 400
    assert (await admin.get(f"{hub.prefix}admin?offset={'9' * 30}")).status_code == 400


async def test_without_accounts_nobody_waits(hub: RunningHub) -> None:
    await hub.add_user("root", admin=True)
    browser = await hub.browser("root")
    page = await browser.get(f"{hub.prefix}admin")
    assert page.status_code == 200
    for verb in ("approve", "refuse"):
        answer = await browser.post(
            f"{hub.prefix}admin/accounts/x/{verb}", data={"_xsrf": form_token(page)}, headers=FROM_US
        )
        assert answer.status_code == 404
