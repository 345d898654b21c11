"""Lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

MAX_OFFSET = 2**53
"""The farthest place in a list that may be asked for: databases have an end to their numbers."""


class Window(Struct, frozen=True):
    """Which part of a list is asked for."""

    offset: int = 0
    limit: int = 200


class Page(Struct, Generic[T], frozen=True):
    """A part of a list, and how long the whole is."""

    items: Sequence[T]
    window: Window
    total: int

    @property
    def next(self) -> Window | None:
        """The window after this one, if there is anything in it."""
        offset = self.window.offset + self.window.limit
        return Window(offset, self.window.limit) if offset < self.total else None


def part_of(items: Sequence[T], window: Window) -> Page[T]:
    """Return the part of *items* that *window* asks for; the last one if it lies beyond their end."""
    last = max(0, len(items) - 1) // window.limit * window.limit
    start = window.offset if window.offset < len(items) else last
    return Page(items[start : start + window.limit], Window(start, window.limit), len(items))


def clamp(offset: int, limit: int | None, *, default: int, maximum: int) -> Window:
    """Return the window for what a caller asked; a limit is taken without its sign and kept between 1 and *maximum*."""
    return Window(max(0, offset), min(max(1, abs(limit if limit is not None else default)), maximum))
