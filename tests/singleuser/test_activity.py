from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import pytest

from perijove.client.api import HubUnavailable
from perijove.singleuser.activity import ActivityReporter, activity_report, timestamp

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=timezone.utc)
LOG = logging.getLogger("test")


class FakeHub:
    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.reports: list[Mapping[str, object]] = []

    async def post_activity(self, report: Mapping[str, object]) -> int:
        self.reports.append(report)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


class Sleeper:
    """Records pauses; after *limit* of them the reporter is cancelled, as it is at the end of a server."""

    def __init__(self, limit: int = 100) -> None:
        self.pauses: list[float] = []
        self.limit = limit

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.limit:
            raise asyncio.CancelledError


class Activity:
    def __init__(self) -> None:
        self.latest: datetime = NOON

    def __call__(self) -> datetime:
        return self.latest


def reporter(hub: FakeHub, sleeper: Sleeper, activity: Activity, interval: float = 300) -> ActivityReporter:
    return ActivityReporter(hub, "gpu", activity, LOG, interval=interval, sleep=sleeper)


def test_report() -> None:
    moment = "2026-05-04T12:00:00.123456Z"
    assert activity_report("gpu", NOON) == {"servers": {"gpu": {"last_activity": moment}}, "last_activity": moment}
    assert timestamp(NOON.replace(tzinfo=None)) == moment
    assert timestamp(NOON.astimezone(timezone(timedelta(hours=5)))) == moment
    assert timestamp(NOON.replace(microsecond=0)) == "2026-05-04T12:00:00.000000Z"


async def test_only_news_is_reported() -> None:
    hub, activity = FakeHub(), Activity()
    reports = reporter(hub, Sleeper(), activity)
    assert await reports.report()
    assert await reports.report()
    assert len(hub.reports) == 1
    activity.latest += timedelta(seconds=1)
    assert await reports.report()
    assert len(hub.reports) == 2


async def test_failures_are_tried_again_with_growing_pauses() -> None:
    hub, sleeper = FakeHub(HubUnavailable("x"), 500, 403), Sleeper()
    assert await reporter(hub, sleeper, Activity()).report()
    assert len(hub.reports) == 4
    assert sleeper.pauses == [1, 2, 4]


async def test_it_gives_up_for_now_and_never_for_good(caplog: pytest.LogCaptureFixture) -> None:
    hub, sleeper = FakeHub(*[HubUnavailable("cannot be reached")] * 50), Sleeper()
    reports = reporter(hub, sleeper, Activity())
    assert not await reports.report()
    assert max(sleeper.pauses) == 15 and 60 <= sum(sleeper.pauses) < 90
    assert "cannot be reached" in caplog.text
    hub.answers.clear()
    assert await reports.report(), "what was not delivered is still news"


async def test_unknown_activity_is_no_disaster(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> datetime:
        raise RuntimeError("kernel manager is gone")

    hub = FakeHub()
    assert not await ActivityReporter(hub, "", fails, LOG, interval=1, sleep=Sleeper()).report()
    assert hub.reports == []
    assert "kernel manager is gone" in caplog.text


async def test_run_begins_at_once_and_spreads_the_rest() -> None:
    hub, sleeper = FakeHub(), Sleeper(limit=20)
    with pytest.raises(asyncio.CancelledError):
        await reporter(hub, sleeper, Activity()).run()
    assert len(hub.reports) == 1
    assert all(270 <= pause <= 330 for pause in sleeper.pauses)
    assert len(set(sleeper.pauses)) > 1


async def test_interval_0_means_never() -> None:
    hub = FakeHub()
    await reporter(hub, Sleeper(), Activity(), interval=0).run()
    assert hub.reports == []
