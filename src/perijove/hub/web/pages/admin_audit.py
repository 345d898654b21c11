"""The audit log: who did what, searched from the newest line back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import Request, Response

from perijove.hub.core import events
from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.ports.audit import AuditPage, AuditQuery
from perijove.hub.usecases.audit import NEEDS
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import Filter, seen_with, show
from perijove.hub.web.pages.common import parameters_as
from perijove.hub.web.pages.lists import address
from perijove.hub.web.permissions import Router

router = Router(include_in_schema=False)

LIMIT = 50
PAGE = "admin/audit"

Reader = Annotated[Visitor, seen_with(*NEEDS)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; days are in UTC, and both count."""

    text: Filter = ""
    action: Filter = ""
    actor: Filter = ""
    outcome: Filter = ""
    since: Filter = ""
    until: Filter = ""
    place: Filter = ""

    @property
    def params(self) -> dict[str, object]:
        """What the address of the same search says."""
        return {name: getattr(self, name) for name in ("text", "action", "actor", "outcome", "since", "until")}

    @property
    def query(self) -> AuditQuery:
        """What is asked of the log. Raises PerijoveError INVALID for a day that is none."""
        until = _day(self.until)
        return AuditQuery(
            LIMIT,
            self.text.strip(),
            self.action,
            self.actor.strip(),
            self.outcome if self.outcome in {"success", "refused"} else "",
            _day(self.since),
            until and until + timedelta(days=1),
            self.place,
        )


def _day(text: str) -> datetime | None:
    """Return the beginning of the day that *text* names; None for no text. Raises PerijoveError INVALID."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise invalid("Write days as 2026-01-31") from None


def actions() -> list[str]:
    """Return every action that can be in the log, and the beginning of those with the same noun."""
    known = {kind.audited.action for kind in events.kinds() if kind.audited is not None}
    return sorted(known | {f"{action.partition('.')[0]}." for action in known})


@router.get("/admin/audit")
async def audit_page(
    request: Request, hub: Hub, visitor: Reader, wanted: Annotated[Wanted, parameters_as(Wanted)]
) -> Response:
    """Show what the log says."""
    error, status = "", 200
    page = AuditPage([], "", 0)
    try:
        page = await hub.administration.audit.find(visitor.principal, wanted.query)
    except PerijoveError as refused:
        if refused.code not in {Code.INVALID, Code.NOT_FOUND}:
            raise
        error, status = refused.message, 400 if refused.code is Code.INVALID else 200
    response = show(
        request,
        visitor,
        "admin/audit.html",
        "audit",
        entries=[_shown(entry) for entry in page.entries],
        wanted=wanted,
        older_url=address(hub, PAGE, wanted.params | {"place": page.place}) if page.place else "",
        newest_url=address(hub, PAGE, wanted.params),
        actions=actions(),
        error=error,
    )
    response.status_code = status
    return response


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    details = entry.get("details")
    return {
        "seq": entry.get("seq", ""),
        "at": datetime.fromisoformat(entry["time"]),
        "action": entry["action"],
        "refused": entry.get("outcome") == "refused",
        "actor": entry["actor"],
        "target": entry.get("target", {}),
        "address": entry.get("address", ""),
        "request_id": entry.get("request_id", ""),
        "details": details if isinstance(details, dict) else {},
    }
