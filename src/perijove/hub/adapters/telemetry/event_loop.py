"""How promptly the event loop comes back: whatever computes for long in it makes everybody wait."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

CALLS_TOLD = 12
"""How many of the innermost calls are told of what held the event loop up."""


class Lookout:
    """Looks from a thread of its own what the thread of the event loop does while it does not come back."""

    def __init__(self, after: float) -> None:
        """Args: *after*: seconds of silence before it looks."""
        self._after = after
        self._watched = threading.get_ident()
        self._beat = time.perf_counter()
        self._seen = ""
        self._began_to_collect = 0.0
        self._over = threading.Event()

    def beat(self) -> str:
        """Take note that the loop came back; return what it was seen at since the last time, innermost call last."""
        seen, self._seen, self._beat = self._seen, "", time.perf_counter()
        return seen

    @contextmanager
    def at_work(self) -> Iterator[Lookout]:
        """Look during the block."""
        thread = threading.Thread(target=self._look, name="perijove-lookout", daemon=True)
        gc.callbacks.append(self._garbage)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            gc.callbacks.remove(self._garbage)

    def _garbage(self, phase: str, info: Mapping[str, int]) -> None:
        # All threads stand still meanwhile, the lookout's too.
        now = time.perf_counter()
        if phase == "start":
            self._began_to_collect = now
        elif (took := now - self._began_to_collect) >= self._after / 2:
            self._seen = f"{took:.3f} s of collecting garbage of generation {info['generation']}"

    def _look(self) -> None:
        while not self._over.wait(self._after / 4):
            if not self._seen and time.perf_counter() - self._beat >= self._after:
                self._seen = self._stack()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        calls = traceback.extract_stack(frame)[-CALLS_TOLD:]
        return " > ".join(f"{call.filename.rpartition('/')[2]}:{call.lineno} {call.name}" for call in calls)


async def watch_event_loop(
    observe: Callable[[float], None], *, resolution: float, warn_from: float, tell_where: bool = False
) -> None:
    """Sleep *resolution* seconds again and again, and tell *observe* how much too late each time; runs until cancelled.

    Args:
        observe: takes the seconds by which the loop was late; what is below the resolution is told as the resolution,
            because a stall may have begun at any moment between two looks.
        resolution: seconds between two looks.
        warn_from: seconds from which on a stall is logged, with how long of it the event loop computed itself: where
            that is little, the machine was busy, or another thread.
        tell_where: log what it did meanwhile, too.
    """
    if tell_where:
        with Lookout(resolution + warn_from / 2).at_work() as lookout:
            await _watch(observe, resolution, warn_from, lambda: {"at": lookout.beat()})
    await _watch(observe, resolution, warn_from, dict)


async def _watch(
    observe: Callable[[float], None], resolution: float, warn_from: float, look: Callable[[], Mapping[str, str]]
) -> None:
    last, used = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(resolution)
        (before, last), (earlier, used) = (last, time.perf_counter()), (used, time.thread_time())
        late = last - before - resolution
        seen = look()
        if late >= warn_from:
            computed = round(used - earlier, 3)
            log.warning("the event loop was held up", seconds=round(late, 3), computing=computed, **seen)
        observe(max(late, resolution))
