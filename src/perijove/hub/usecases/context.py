"""What every use case is given: the store, the time, and a place to tell what happened."""

from __future__ import annotations

from dataclasses import dataclass

from perijove.hub.ports.clock import Clock
from perijove.hub.ports.store import Store
from perijove.hub.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Context:
    """The ports that nearly every use case needs."""

    store: Store
    clock: Clock
    telemetry: Telemetry
