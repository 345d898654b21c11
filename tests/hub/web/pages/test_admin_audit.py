from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.page_rules import HOSTILE

from perijove.hub.core.audit import entry_of
from perijove.hub.core.events import SignedIn, UserCreated
from perijove.hub.core.facts import Origin
from perijove.hub.ports.audit import AuditPage, AuditQuery
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.pages.admin_audit import actions

Desk = Any
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Reader:
    """Remembers what was asked, and finds two lines."""

    def __init__(self) -> None:
        self.asked: list[AuditQuery] = []

    async def find(self, query: AuditQuery) -> AuditPage:
        self.asked.append(query)
        lines = [
            entry_of(fact, Origin("user", "session", "192.0.2.1", "r-1"), NOON)
            for fact in (UserCreated(HOSTILE, "root"), SignedIn("ada"))
        ]
        return AuditPage([line | {"seq": number} for number, line in enumerate(lines, 7) if line], "1:2", 100)


async def test_the_log_is_shown_and_searched(at_desk: Any) -> None:
    reader = Reader()
    async with running_hub(audit=reader) as hub:
        await hub.add_user("root", admin=True)
        desk = await at_desk(hub, "root")
        page = await desk.get("admin/audit")
        rows = page.select(".audit tbody tr")
        assert [row.select("th code")[0].text for row in rows] == ["user.create", "session.begin"]
        assert HOSTILE in rows[0].text
        assert page.select("a[rel=next]")[0]["href"] == "/hub/admin/audit?place=1%3A2"
        await desk.get(
            "admin/audit?text=x&action=user.&actor=ada&outcome=refused&since=2026-01-30&until=2026-01-31&place=1:2"
        )
        asked = reader.asked[-1]
        assert (asked.text, asked.action, asked.actor, asked.outcome) == ("x", "user.", "ada", "refused")
        assert (asked.since, asked.until) == (datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
        assert asked.place == "1:2"
        page = await desk.get("admin/audit?since=yesterday", status=400)
        assert page.select("[role=alert]")[0].text == "Write days as 2026-01-31"


async def test_a_hub_without_a_log_says_so(desk: Desk) -> None:
    assert "audit_log_file" in (await desk.words("admin/audit", "[role=alert]"))[0]


async def test_it_is_for_those_who_see_everything(office: RunningHub, at_desk: Any) -> None:
    some = await at_desk(office, "eve", "admin-ui", "read:hub", "admin:users!user=ada")
    assert (await some.browser.get(f"{office.prefix}admin/audit")).status_code in {403, 404}


def test_actions_can_be_chosen_one_by_one_or_by_their_noun() -> None:
    known = actions()
    assert {"user.", "user.create", "session.begin"} <= set(known)
    assert known == sorted(known)
