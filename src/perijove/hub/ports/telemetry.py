"""Where domain facts go, and where they come from."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol

from perijove.hub.core.facts import Fact, Origin

NO_REQUEST: Final = Origin()
ORIGIN: Final[ContextVar[Origin]] = ContextVar("origin", default=NO_REQUEST)
"""The request that is being answered; what is not done for a request comes from the hub itself."""


class Telemetry(Protocol):
    """Makes logs, metrics and the like of facts. Must neither raise nor block."""

    def emit(self, fact: Fact) -> None:
        """Take note that *fact* happened, in the request that `ORIGIN` names."""
        ...
