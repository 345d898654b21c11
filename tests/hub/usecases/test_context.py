from __future__ import annotations

import pytest

from perijove.hub.testing.fakes import FakeClock, RecordingTelemetry
from perijove.hub.testing.memory_store import MemoryStore
from perijove.hub.usecases.context import Context


def test_the_context_cannot_be_changed_under_a_use_case() -> None:
    ctx = Context(MemoryStore(), FakeClock(), RecordingTelemetry())
    with pytest.raises(AttributeError):
        ctx.store = MemoryStore()  # type: ignore[misc]
