from __future__ import annotations

from datetime import UTC, datetime, timedelta

from perijove.hub.adapters.clock import SystemClock
from perijove.hub.ports.clock import Clock


def test_the_time_of_day_is_utc_and_now() -> None:
    clock: Clock = SystemClock()
    now = clock.now()
    assert now.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_the_other_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)
