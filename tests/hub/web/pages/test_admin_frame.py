from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.servers import Failure
from perijove.hub.core.services import Service
from perijove.hub.testing.running import RunningHub
from perijove.hub.web.pages.admin_frame import SECTIONS, lines, listed
from perijove.hub.web.pages.lists import MAX_LIMIT

Desk = Any
PAGES = (
    "admin",
    "admin?state=waiting",
    "admin/users/root",
    "admin/servers?state=all",
    "admin/servers/root",
    "admin/groups",
    "admin/services",
    "admin/roles",
    "admin/roles/admin",
    "admin/overview",
    "admin/audit",
    "admin/hub",
    "admin/configuration",
    "admin/routes",
)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_keeps_the_rules_and_shows_where_one_is(desk: Desk, path: str) -> None:
    page = await desk.get(path)
    assert len(page.select(".admin-nav [aria-current=page]")) == 1
    assert page.select(".site-header [aria-current=page]")[0]["href"] == f"{desk.hub.prefix}admin"
    assert [link["href"] for link in page.select(".admin-nav a")] == [
        f"{desk.hub.prefix}{section.path}" for section in SECTIONS
    ]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_is_shown_without_its_scopes(office: RunningHub, at_desk: Any, path: str) -> None:
    await office.add_user("root")
    desk = await at_desk(office, "eve")
    assert (await desk.browser.get(f"{office.prefix}{path}")).status_code == 403
    desk = await at_desk(office, "eve", "admin-ui")
    # What everybody may see of their own, they see here too.
    status = {"admin": 303, "admin?state=waiting": 303, "admin/servers?state=all": 200, "admin/servers/root": 404}.get(
        path, 403
    )
    assert (await desk.browser.get(f"{office.prefix}{path}")).status_code == status


@pytest.mark.parametrize(
    ("scopes", "keys"),
    [
        (("list:users", "read:servers!user=ada"), ["users", "servers"]),
        (("read:hub",), ["overview", "hub"]),
        (("read:hub", "admin:users"), ["overview", "users", "roles", "audit", "hub"]),
        (("proxy", "list:groups", "list:services"), ["groups", "services", "routes"]),
    ],
)
async def test_the_navigation_has_what_the_visitor_may_see(
    office: RunningHub, at_desk: Any, scopes: tuple[str, ...], keys: list[str]
) -> None:
    await office.add_user("ada")
    desk = await at_desk(office, "eve", "admin-ui", *scopes)
    paths = {section.path: section.key for section in SECTIONS}
    first = next(section.path for section in SECTIONS if section.key == keys[-1])
    links = (await desk.get(first)).select(".admin-nav a")
    shown = [paths[link["href"].removeprefix(office.prefix)] for link in links]
    # Whoever has servers of their own sees these in the list, too.
    assert [key for key in shown if key != "servers" or "servers" in keys] == keys


async def test_pages_of_full_lists_are_light(desk: Desk) -> None:
    long = [f"somebody.with-a-name-{number:03d}@dept.example.org" for number in range(MAX_LIMIT)]
    for name in long:
        user = await desk.hub.add_user(name)
        async with desk.hub.store.transaction() as tx:
            group = await tx.groups.add(f"group-of-{name}")
            await tx.groups.add_members(group.id, [user.id])
            service = await tx.services.add(Service(0, name.partition("@")[0].replace(".", "-"), from_config=False))
            server = await tx.servers.add(user.id, "")
            await tx.servers.save(replace(server, failure=Failure("It ended.", "Look."), version=server.version + 1))
            for kind, id_ in (("user", user.id), ("group", group.id), ("service", service.id)):
                await tx.roles.assign("user", kind, id_)
    lists = ("admin", "admin/servers?state=all", "admin/groups", "admin/services", "admin/roles/user", "admin/routes")
    for path in lists:
        # Which says so itself if it is too large.
        page = await desk.get(f"{path}{'&' if '?' in path else '?'}limit={MAX_LIMIT}")
        shown = page.text.replace(".", "-").count("somebody-with-a-name-")
        assert shown >= MAX_LIMIT - 1 or path == "admin/routes", path


async def test_a_form_leads_back_to_pages_of_the_administration_only(desk: Desk) -> None:
    prefix = desk.hub.prefix
    for wish, leads in (
        (f"{prefix}admin/servers?state=all&done=x&count=7", "admin/servers?state=all&done=server-stopped&count=1"),
        (f"{prefix}home", "admin?done=server-stopped&count=1"),
        ("https://evil.example/admin", "admin?done=server-stopped&count=1"),
        ("//evil.example", "admin?done=server-stopped&count=1"),
    ):
        assert await desk.done("admin/actions", of="servers", stop="root/", next=wish) == leads


async def test_what_was_done_is_told_in_our_own_words_only(desk: Desk) -> None:
    page = await desk.get("admin?done=you-are-hacked&count=<b>")
    assert page.select(".notice.good") == []
    assert [tag.text for tag in (await desk.get("admin?done=users-added&count=<b>")).select(".notice")] == [
        "One user was added."
    ]


def test_names_come_one_a_line_or_with_commas() -> None:
    assert listed(" a b \r\n\n c,d;a b\n") == ["a b", "c", "d"]
    assert listed(" \n,;") == []
    assert lines(" cn=a,ou=b \r\n\nc\n") == ["cn=a,ou=b", "c"]
