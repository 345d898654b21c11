from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator

import structlog

from perijove.hub.adapters.telemetry.event_loop import watch_event_loop

RESOLUTION = 0.005


@contextlib.contextmanager
def watching(seen: asyncio.Queue[float], warn_from: float, tell_where: bool = False) -> Iterator[asyncio.Task[None]]:
    """Watch the running event loop."""
    watch = asyncio.ensure_future(
        watch_event_loop(seen.put_nowait, resolution=RESOLUTION, warn_from=warn_from, tell_where=tell_where)
    )
    try:
        yield watch
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
    assert 0 <= logs[-1]["computing"] < 0.2
    assert "at" not in logs[-1]


async def test_what_is_below_the_resolution_is_told_as_the_resolution() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    with watching(seen, warn_from=60):
        times = [await seen.get() for _ in range(5)]

    assert min(times) >= RESOLUTION


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_what_it_was_doing_is_told_if_that_is_wanted() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    with watching(seen, 0.1, tell_where=True) as watch, structlog.testing.capture_logs() as logs:
        await seen.get()
        compute(0.3)
        while await seen.get() < 0.1:
            pass
        (told,) = [entry for entry in logs if "compute" in entry["at"]]
        assert told["computing"] >= 0.3
        assert told["at"].rpartition(" > ")[2].endswith(" compute")
        logs.clear()
        gc.callbacks.append(slow_start)
        gc.collect()
        gc.callbacks.remove(slow_start)
        while await seen.get() < 0.1:
            pass
        assert "of collecting garbage of generation 2" in logs[-1]["at"]
    await asyncio.wait({watch})
    assert not [each for each in gc.callbacks if "Lookout" in repr(each)]


def slow_start(phase: str, info: object) -> None:
    time.sleep(0.15 if phase == "start" else 0)
