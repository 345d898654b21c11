"""The audit log, to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct


class AuditQuery(Struct, frozen=True):
    """What to look for; the newest comes first.

    Attributes:
        limit: how many lines at most.
        text: what a line holds anywhere, whatever the case.
        action: what was done, ``<noun>.<verb>``, or ``<noun>.`` for everything done to one.
        actor: the name of who did it.
        outcome: ``success`` or ``refused``.
        since: not before this time.
        until: before this time.
        place: where an earlier search stopped; empty for the end of the log.
    """

    limit: int = 50
    text: str = ""
    action: str = ""
    actor: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    place: str = ""


class AuditPage(Struct, frozen=True):
    """What was found.

    Attributes:
        entries: lines of the log, the newest first.
        place: where to go on; empty if the beginning was reached.
        searched: bytes that were looked through.
    """

    entries: Sequence[Mapping[str, Any]]
    place: str
    searched: int


class AuditReader(Protocol):
    """Finds lines of the audit log."""

    async def find(self, query: AuditQuery) -> AuditPage:
        """Return what *query* asks for, as far as one look goes. Raises PerijoveError UNAVAILABLE."""
        ...
