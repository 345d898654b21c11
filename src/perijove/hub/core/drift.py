"""What was found to be otherwise than stored, and was put right."""

from __future__ import annotations

from enum import StrEnum

from perijove.hub.core.facts import Fact


class Drift(StrEnum):
    """How the world differed from the store."""

    ABANDONED = "abandoned"
    """Another hub process had a server and was gone; this one goes on with it."""
    ENDED = "ended"
    """A server that was to run had ended while no hub looked."""
    STRAY = "stray"
    """Something ran that no server in the store had started; it was ended."""


_SENTENCES = {
    Drift.ABANDONED: "{what} was left alone by another hub; this one goes on with it",
    Drift.ENDED: "{what} had ended while no hub looked",
    Drift.STRAY: "Something ran that belongs to no server, {what}; it was ended",
}


class DriftFound(Fact, frozen=True):
    """The world differed from the store and was put right; *what* is a server's full name, or a run of none."""

    warning = True
    drift: Drift
    what: str

    def sentence(self) -> str:
        return _SENTENCES[self.drift].format(what=self.what)
