"""Actions on many users or servers at once, and how far they have come."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from msgspec import Struct

from perijove.hub.core.errors import invalid

SILENT: Final = timedelta(seconds=60)
"""An action of which nothing was heard for so long ended with the hub process that carried it out."""
MAX_TOLD: Final = 20
"""How many failures are told one by one."""
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Kind(Enum):
    """What is done to each."""

    START = "start"
    STOP = "stop"
    DELETE = "delete"


class Stage(Enum):
    """How an action goes."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


class LongAction(Struct, frozen=True):
    """One action.

    Attributes:
        key: chosen by the page that asks for it, so that the same page cannot ask twice.
        kind: what is done.
        by: the user who asked for it.
        total: to how many.
        created: when it was asked for.
        changed: when it was last heard of.
        done: how many are through, those that failed included.
        failed: how many failed.
        failures: whom, and why, for the first of them.
        cancel_wanted: whether the rest is to be left alone.
        finished: when it ended, whether it was cancelled or not.
    """

    key: str
    kind: Kind
    by: str
    total: int
    created: datetime
    changed: datetime
    done: int = 0
    failed: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    cancel_wanted: bool = False
    finished: datetime | None = None

    def stage(self, now: datetime) -> Stage:
        """Return how it goes at *now*."""
        if self.finished is not None:
            return Stage.CANCELLED if self.done < self.total else Stage.FINISHED
        if now - self.changed > SILENT:
            return Stage.INTERRUPTED
        return Stage.CANCELLING if self.cancel_wanted else Stage.RUNNING


def check_key(key: str) -> str:
    """Return *key* if a page of ours can have chosen it. Raises PerijoveError INVALID."""
    if not _KEY.fullmatch(key):
        raise invalid("This form is not complete. Open the page again.")
    return key
