"""Each domain fact becomes a log line, metrics, and where it belongs there a line of the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from perijove.hub.core.facts import Fact
from perijove.hub.ports.telemetry import Telemetry


def describe(fact: Fact) -> dict[str, Any]:
    """Return what a log line tells of *fact* beside its sentence; a reason stands there already."""
    values = ((name, getattr(fact, name)) for name in fact.__struct_fields__ if name != "reason")
    return {name: value for name, value in values if value != ""}


class FanOut:
    """The telemetry port: facts go to the log and to everything in *others*."""

    def __init__(self, *others: Telemetry) -> None:
        self._others: Sequence[Telemetry] = others
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("perijove.events")

    def emit(self, fact: Fact) -> None:
        """Take note that *fact* happened; what goes wrong with that is logged and nothing else."""
        for take in (self._write, *(other.emit for other in self._others)):
            try:
                take(fact)
            except Exception:
                self._log.exception("A fact could not be noted", fact=type(fact).__name__)

    def _write(self, fact: Fact) -> None:
        write = self._log.warning if fact.warning else self._log.info
        write(fact.sentence(), **describe(fact))
