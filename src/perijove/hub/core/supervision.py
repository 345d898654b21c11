"""What follows when the hub's process has ended, as the process that forked it decides."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

CRASHED = 70
"""The status of a hub that met an exception that nobody expected (EX_SOFTWARE of sysexits.h)."""
FAILED = 1
STEADY_SECONDS = 60.0
"""A hub that lived as long as this did its work."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class End(Struct, frozen=True):
    """How a hub ended that was not asked to.

    Attributes:
        status: its exit status, negative for the signal that killed it.
        up: whether it had come as far as serving.
        lived: for how many seconds.
    """

    status: int
    up: bool
    lived: float


class Past(Struct, frozen=True):
    """What happened to the hubs before.

    Attributes:
        up: whether one of them served.
        short: how many in a row did not live long.
    """

    up: bool = False
    short: int = 0


class Finish(Struct, frozen=True):
    """There shall be no further hub; *status* is that of the command."""

    status: int


class StartAgain(Struct, frozen=True):
    """There shall be another hub, in *pause* seconds; *past* is what to remember until that one ends."""

    pause: float
    past: Past


def after(end: End, past: Past) -> Finish | StartAgain:
    """Return what follows.

    A hub that decided to end is obeyed. One that died has a successor at once, unless that dies young as well: then
    ever more slowly. One that could not start, though another could before, meets something that may pass: a database
    that is away, a port that is not free yet.
    """
    killed = end.status < 0
    if not killed:
        if end.up and end.status != CRASHED:
            return Finish(end.status)
        if not end.up and (not past.up or end.status == 0):
            return Finish(FAILED if end.status == CRASHED else end.status)
    short = 0 if end.lived >= STEADY_SECONDS else past.short + 1
    return StartAgain(_pause(short), replace(past, up=past.up or end.up, short=short))


def _pause(short: int) -> float:
    """Return how many seconds to wait after so many short lives in a row: none after the first."""
    return 0.0 if short < 2 else min(FIRST_PAUSE * 2.0 ** min(short - 2, 30), LONGEST_PAUSE)
