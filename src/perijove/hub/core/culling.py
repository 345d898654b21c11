"""When a server is stopped because nobody uses it, or because it ran for long enough.

Unknown never means idle. A server counts as idle only while this hub could have heard of its use: for as long as
servers take to report, nothing is stopped after the hub came up, could not reach its store, or found that the time of
day had jumped (a machine that slept, a clock that was set).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.servers import Server

REPORT_SECONDS: Final = 300.0
"""How often a server tells when it was last used, if it is told nothing else."""
REPORTS_IN_TIME: Final = 3
"""How many reports a server makes, at least, within the time after which it counts as idle."""
LATEST_REPORT: Final = 1.25
"""After which part of that interval each server has reported: reports are spread by a tenth, and take a moment."""
LONGEST_WARNING: Final = timedelta(minutes=15)
"""For how long before its end a server's owner is warned; for a third of its time where that is less."""
MOST_DRIFT: Final = 5.0
"""By how many seconds the time of day may go wrong between two looks without having jumped."""


class Why(StrEnum):
    """Why a server is stopped by the hub; as a fact tells who did it."""

    IDLE = "the hub (nobody used it)"
    AGE = "the hub (it ran for as long as it may)"


class CullRules(Struct, frozen=True):
    """What holds for one server.

    Attributes:
        idle_timeout: seconds without use after which it is stopped; 0 for never.
        max_age: seconds after its start at which it is stopped, used or not; 0 for never.
        remove: whether it is deleted then, if it is a named one.
    """

    idle_timeout: float = 0.0
    max_age: float = 0.0
    remove: bool = False

    @property
    def report_seconds(self) -> float:
        """How often a server to which these rules apply must tell of its use."""
        return min(REPORT_SECONDS, self.idle_timeout / REPORTS_IN_TIME) if self.idle_timeout else REPORT_SECONDS


class Ending(Struct, frozen=True):
    """When a server will be stopped.

    Attributes:
        if_idle: when, if it is not used until then; None if that does not matter.
        at_latest: when, whatever is done with it; None for any time.
        warn_from: from when on its owner is warned of the first of the two.
    """

    if_idle: datetime | None
    at_latest: datetime | None
    warn_from: datetime | None = None

    @property
    def first(self) -> datetime | None:
        """When it is stopped, as things are now."""
        return min((moment for moment in (self.if_idle, self.at_latest) if moment is not None), default=None)


def ending(server: Server, rules: CullRules) -> Ending | None:
    """Return when *server* will be stopped by *rules*; None if never, or if it is not ready."""
    if not server.ready:
        return None
    used = max((moment for moment in (server.last_activity, server.started) if moment is not None), default=None)
    found = Ending(_later(used, rules.idle_timeout), _later(server.started, rules.max_age))
    if found.first is None:
        return None
    length = rules.idle_timeout if found.first == found.if_idle else rules.max_age
    return replace(found, warn_from=found.first - min(LONGEST_WARNING, timedelta(seconds=length / 3)))


def why_now(server: Server, rules: CullRules, now: datetime) -> Why | None:
    """Return why *server* is to be stopped now; None if it is not. What is due at this very moment is due."""
    due = ending(server, rules)
    if due is None:
        return None
    if due.at_latest is not None and due.at_latest <= now:
        return Why.AGE
    return Why.IDLE if due.if_idle is not None and due.if_idle <= now else None


def _later(moment: datetime | None, seconds: float) -> datetime | None:
    if moment is None or seconds <= 0:
        return None
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None


class Attention(Struct, frozen=True):
    """Since when a hub process has heard of all use, without a gap.

    Attributes:
        since: the moment by the clock that measures; None if it does not hear now.
        wall: the time of day at the latest look.
        measured: the same by the clock that measures.
    """

    since: float | None = None
    wall: datetime | None = None
    measured: float = 0.0

    def looked(self, wall: datetime, measured: float) -> Attention:
        """Return what is so after a look at which everything could be heard."""
        passed = measured - self.measured
        jumped = self.wall is None or abs((wall - self.wall).total_seconds() - passed) > MOST_DRIFT
        return Attention(measured if jumped or self.since is None else self.since, wall, measured)

    def lost(self) -> Attention:
        """Return what is so after something could not be heard."""
        return replace(self, since=None)

    def suffices(self, rules: CullRules) -> bool:
        """Say whether every server to which *rules* apply has had the time to report its use."""
        return self.since is not None and self.measured - self.since >= rules.report_seconds * LATEST_REPORT
