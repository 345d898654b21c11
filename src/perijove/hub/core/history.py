"""What the hub was like in the last 24 hours: one minute after the other, for the charts of its pages.

It is kept in the memory of the process, always as long, and begins anew with it. Whoever wants more than that reads the
metrics with a program made for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct, field

MINUTE: Final = timedelta(minutes=1)
KEPT: Final = 24 * 60
"""How many minutes are kept."""


class Gauges(Struct, frozen=True):
    """What can be looked at at any time.

    Attributes:
        running: servers that are ready.
        starting: servers on their way up that have left the queue.
        queued: servers that wait for a free place.
        hub_memory: bytes that the hub process holds.
        used_memory: bytes in use on the machine of the hub.
        all_memory: bytes that this machine has.
    """

    running: int = 0
    starting: int = 0
    queued: int = 0
    hub_memory: int = 0
    used_memory: int = 0
    all_memory: int = 0


class Point(Struct, frozen=True):
    """A time span in a chart.

    Attributes:
        at: its begin.
        gauges: the highest values in it; None if nobody looked.
        starts: servers that became ready.
        failures: servers that did not start, or ended by themselves.
        seconds: how long those starts took on average; None without any.
        longest: how long the longest of them took, in seconds.
    """

    at: datetime
    gauges: Gauges | None = None
    starts: int = 0
    failures: int = 0
    seconds: float | None = None
    longest: float = 0.0


class _Minute(Struct):
    number: int
    gauges: Gauges | None = None
    starts: int = 0
    failures: int = 0
    seconds: float = 0.0
    longest: float = 0.0


class History(Struct):
    """The last minutes of one hub process; forgets by itself what is older."""

    _minutes: deque[_Minute] = field(default_factory=lambda: deque(maxlen=KEPT))

    def _minute(self, now: datetime) -> _Minute:
        number = _number(now)
        # A clock that was set back goes on in the newest minute, so that they stay in order.
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(_Minute(number))
        return self._minutes[-1]

    def looked(self, now: datetime, gauges: Gauges) -> None:
        """Take note of what was seen at *now*."""
        minute = self._minute(now)
        minute.gauges = _highest(each for each in (minute.gauges, gauges) if each is not None)

    def started(self, now: datetime, seconds: float) -> None:
        """Take note of a server that became ready at *now*, *seconds* after it was asked for."""
        minute = self._minute(now)
        minute.starts += 1
        minute.seconds += seconds
        minute.longest = max(minute.longest, seconds)

    def failed(self, now: datetime) -> None:
        """Take note of a server that failed at *now*."""
        self._minute(now).failures += 1

    def points(self, now: datetime, count: int, minutes: int) -> Sequence[Point]:
        """Return *count* points of *minutes* each, the oldest first; the last one holds *now*."""
        first = (_number(now) // minutes - count + 1) * minutes
        parts: list[list[_Minute]] = [[] for _ in range(count)]
        for minute in self._minutes:
            place = (minute.number - first) // minutes
            if 0 <= place < count:
                parts[place].append(minute)
        return [_point(first + place * minutes, part) for place, part in enumerate(parts)]


def _number(now: datetime) -> int:
    return int(now.timestamp() // MINUTE.total_seconds())


def _point(number: int, minutes: Sequence[_Minute]) -> Point:
    starts = sum(minute.starts for minute in minutes)
    return Point(
        datetime.fromtimestamp(number * MINUTE.total_seconds(), UTC),
        _highest(minute.gauges for minute in minutes if minute.gauges is not None),
        starts,
        sum(minute.failures for minute in minutes),
        sum(minute.seconds for minute in minutes) / starts if starts else None,
        max((minute.longest for minute in minutes), default=0.0),
    )


def _highest(seen: Iterable[Gauges]) -> Gauges | None:
    every = list(seen)
    if not every:
        return None
    return Gauges(*(max(getattr(each, name) for each in every) for name in Gauges.__struct_fields__))
