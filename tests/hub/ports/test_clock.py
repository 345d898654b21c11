from __future__ import annotations

from datetime import timedelta

import pytest

from perijove.hub.adapters.clock import SystemClock
from perijove.hub.ports.clock import Clock
from perijove.hub.testing.fakes import FakeClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_clocks_keep_the_port(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
