from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import structlog

from perijove.hub.adapters.telemetry.event_loop import watch_event_loop

RESOLUTION = 0.005


@contextlib.contextmanager
def watching(seen: asyncio.Queue[float], warn_from: float) -> Iterator[None]:
    """Watch the running event loop."""
    watch = asyncio.ensure_future(watch_event_loop(seen.put_nowait, resolution=RESOLUTION, warn_from=warn_from))
    try:
        yield
    finally:
        watch.cancel()


async def test_what_holds_up_the_event_loop_is_told_and_logged() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    with watching(seen, warn_from=0.1), structlog.testing.capture_logs() as logs:
        await seen.get()
        time.sleep(0.2)
        while (late := await seen.get()) < 0.1:
            pass

    assert late >= 0.2 - RESOLUTION
    assert [entry["event"] for entry in logs][-1] == "the event loop was held up"


async def test_what_is_below_the_resolution_is_told_as_the_resolution() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    with watching(seen, warn_from=60):
        times = [await seen.get() for _ in range(5)]

    assert min(times) >= RESOLUTION
