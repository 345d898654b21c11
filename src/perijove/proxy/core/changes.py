"""What changed in the route table, in order, so that a follower need not ask for the whole table again.

Changes are numbered from 1 in each life of a proxy; the *epoch* names the life, so that a number from before a restart
is not taken for one of now. Only the latest changes are kept: whoever asks for older ones gets the whole table.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from perijove.proxy.core.routes import Route

HISTORY = 10_000
"""How many changed routes are remembered, all changes together."""


class Change(NamedTuple):
    """Routes that were added or replaced and keys of routes that were removed, all in one moment."""

    number: int
    put: tuple[Route, ...] = ()
    dropped: tuple[str, ...] = ()


class ChangeLog:
    """The latest changes of one life of a proxy."""

    __slots__ = ("_kept", "_size", "epoch", "last")

    def __init__(self, epoch: str = "") -> None:
        self.epoch = epoch
        self.last = 0
        self._kept: deque[Change] = deque()
        self._size = 0

    def record(self, put: tuple[Route, ...], dropped: tuple[str, ...]) -> Change:
        """Number a change and remember it."""
        self.last += 1
        change = Change(self.last, put, dropped)
        self._kept.append(change)
        self._size += len(put) + len(dropped)
        while self._size > HISTORY:
            oldest = self._kept.popleft()
            self._size -= len(oldest.put) + len(oldest.dropped)
        return change

    def since(self, epoch: str, number: int) -> list[Change] | None:
        """Return all changes after *number* of *epoch*; None where they are not known (any more)."""
        if epoch != self.epoch or not self.last - len(self._kept) <= number <= self.last:
            return None
        # The newest are asked for most: do not walk over all that is kept.
        wanted: list[Change] = []
        for change in reversed(self._kept):
            if change.number <= number:
                break
            wanted.append(change)
        wanted.reverse()
        return wanted
