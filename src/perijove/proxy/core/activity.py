"""When each route was last in use. Times are seconds since the epoch; the caller brings the clock."""

from __future__ import annotations

from datetime import datetime, timezone


class Activity:
    """The time of last activity of each route, by route key."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def begin(self, key: str, now: float) -> None:
        """Start to keep a route; it counts as active at the moment it is added."""
        self._seen[key] = now

    def touch(self, key: str, now: float) -> None:
        """Note that a route is in use; one that was removed meanwhile stays forgotten."""
        if key in self._seen:
            self._seen[key] = now

    def forget(self, key: str) -> None:
        """Stop to keep a route."""
        self._seen.pop(key, None)

    def copy(self) -> Activity:
        """Return the times as they are now."""
        copy = Activity()
        copy._seen = self._seen.copy()
        return copy

    def since(self, moment: float) -> dict[str, float]:
        """Return the times after *moment*, by route key."""
        return {key: seen for key, seen in self._seen.items() if seen > moment}

    def last(self, key: str) -> float | None:
        """Return the time of last activity, None for a route that is not kept."""
        return self._seen.get(key)


def to_iso(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds, as in ``2026-01-31T12:00:00.000Z``."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_iso(text: str) -> float | None:
    """Read an ISO 8601 time, UTC where it names no zone. None for anything else."""
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None
