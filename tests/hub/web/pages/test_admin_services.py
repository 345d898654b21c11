from __future__ import annotations

from typing import Any

from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.core.services import Service
from perijove.hub.web.pages.admin_services import in_words

Desk = Any


async def test_services_are_shown_with_how_they_are(desk: Desk) -> None:
    async with desk.hub.store.transaction() as tx:
        for service in (
            Service(0, "culler", command=("python", "-m", "cull")),
            Service(0, "ops", admin=True),
            Service(0, "wiki", url="http://127.0.0.1:9", from_config=False),
        ):
            await tx.services.add(service)
    names = await desk.words("admin/services", "tbody th")
    assert names == ["culler python -m cull", "ops administrator", "wiki made while the hub runs"]
    assert await desk.words("admin/services", "tbody .badge") == ["Not running", "Runs elsewhere", "Not known"]
    desk.hub.probe.willing = False
    await desk.hub.keeper.look()
    page = await desk.get("admin/services")
    assert page.select("tbody .badge")[2].text == "Does not answer"
    assert page.select("tbody a")[0]["href"].endswith("/services/wiki/")


async def test_roles_are_told_in_words_with_who_holds_them(desk: Desk) -> None:
    await desk.hub.add_user("ada")
    cards = await desk.words("admin/roles", ".role-cards .card")
    assert [card.split()[0] for card in cards] == ["admin", "server", "token", "user"]
    assert await desk.words("admin/roles/user", ".member-list li") == ["ada", "root"]
    assert "Stop the hub." in await desk.words("admin/roles/admin", ".defs dd")
    assert (await desk.browser.get(f"{desk.hub.prefix}admin/roles/none")).status_code == 404


def test_scopes_are_told_in_words() -> None:
    told = in_words(["servers!group=x", "custom:gone"], BUILT_IN)
    assert told == [
        {"scope": "servers!group=x", "limit": "group=x", "words": "Start and stop servers."},
        {"scope": "custom:gone", "limit": "", "words": ""},
    ]
