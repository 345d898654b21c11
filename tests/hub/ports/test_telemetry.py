from __future__ import annotations

import pytest

from perijove.hub.adapters.telemetry.fan_out import FanOut
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core import events
from perijove.hub.ports.telemetry import Telemetry
from perijove.hub.testing.fakes import RecordingTelemetry


@pytest.mark.parametrize(
    "telemetry", [FanOut(Metrics()), Metrics(), RecordingTelemetry()], ids=["log", "metrics", "fake"]
)
def test_telemetry_keeps_the_port(telemetry: Telemetry) -> None:
    telemetry.emit(events.SignedIn("alice"))
