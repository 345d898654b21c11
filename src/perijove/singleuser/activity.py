"""Tells the hub when the server was last used, so that the hub can stop servers that nobody uses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timezone
from logging import Logger
from typing import Protocol

from perijove.client.api import HubUnavailable

JITTER = 0.1
"""Part of the interval by which reports are spread, so that a thousand servers do not report in the same second."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 15.0
GIVE_UP_AFTER = 60.0


class TakesReports(Protocol):
    """The hub, as seen by a reporter."""

    async def post_activity(self, report: Mapping[str, object]) -> int:
        """Send *report* and return the status of the answer, or raise HubUnavailable."""


def timestamp(moment: datetime) -> str:
    """Return *moment* in UTC as ISO 8601 with microseconds and ``Z``; a time without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def activity_report(server_name: str, last_activity: datetime) -> dict[str, object]:
    """Return the body of a report about one server."""
    moment = timestamp(last_activity)
    return {"servers": {server_name: {"last_activity": moment}}, "last_activity": moment}


class ActivityReporter:
    """Reports at once, then every *interval* seconds if there was activity since; no failure ever leaves it."""

    def __init__(
        self,
        hub: TakesReports,
        server_name: str,
        last_activity: Callable[[], datetime],
        log: Logger,
        *,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._hub = hub
        self._server_name = server_name
        self._last_activity = last_activity
        self._log = log
        self._interval = interval
        self._sleep = sleep
        self._reported: datetime | None = None

    async def run(self) -> None:
        """Report until cancelled; an *interval* of 0 means never."""
        while self._interval > 0:
            await self.report()
            await self._sleep(self._interval * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  # no secret

    async def report(self) -> bool:
        """Report the latest activity if it is news; say whether the hub knows it now."""
        try:
            moment = self._last_activity()
            if self._reported is not None and moment <= self._reported:
                return True
            delivered = await self._deliver(activity_report(self._server_name, moment))
        except Exception:
            self._log.exception("Cannot find out when this server was last used")
            return False
        if delivered:
            self._reported = moment
        return delivered

    async def _deliver(self, report: Mapping[str, object]) -> bool:
        """Send *report*, again and again with growing pauses for about a minute."""
        waited, pause = 0.0, FIRST_WAIT
        while True:
            problem = await self._try(report)
            if not problem:
                return True
            if waited >= GIVE_UP_AFTER:
                self._log.warning("The hub was not told of this server's activity: %s", problem)
                return False
            await self._sleep(pause)
            waited += pause
            pause = min(LONGEST_WAIT, pause * 2)

    async def _try(self, report: Mapping[str, object]) -> str:
        try:
            status = await self._hub.post_activity(report)
        except HubUnavailable as error:
            return str(error)
        return f"it answered {status}" if status >= 400 else ""
