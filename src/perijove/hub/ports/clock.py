"""The time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, and one that measures."""

    def now(self) -> datetime:
        """Return the time of day, UTC, with its time zone; it may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back."""
        ...
