"""Where domain facts go."""

from __future__ import annotations

from typing import Protocol

from perijove.hub.core.events import Fact


class Telemetry(Protocol):
    """Makes logs, metrics and the like of facts. Must neither raise nor block."""

    def emit(self, fact: Fact) -> None:
        """Take note that *fact* happened."""
        ...
