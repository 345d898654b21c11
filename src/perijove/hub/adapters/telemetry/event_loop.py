"""How promptly the event loop comes back: whatever computes for long in it makes everybody wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


async def watch_event_loop(observe: Callable[[float], None], *, resolution: float, warn_from: float) -> None:
    """Sleep *resolution* seconds again and again, and tell *observe* how much too late each time; runs until cancelled.

    Args:
        observe: takes the seconds by which the loop was late; what is below the resolution is told as the resolution,
            because a stall may have begun at any moment between two looks.
        resolution: seconds between two looks.
        warn_from: seconds from which on a stall is logged.
    """
    last = time.perf_counter()
    while True:
        await asyncio.sleep(resolution)
        now = time.perf_counter()
        late, last = now - last - resolution, now
        if late >= warn_from:
            log.warning("the event loop was held up", seconds=round(late, 3))
        observe(max(late, resolution))
