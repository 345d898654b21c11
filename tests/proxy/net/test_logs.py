"""A log that cannot stop the proxy."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Iterator

import pytest

from perijove.proxy.net import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    raising = logging.raiseExceptions
    asyncio_log = logging.getLogger("asyncio")
    before = [(each, list(each.handlers), each.propagate, each.level) for each in (logs.log, asyncio_log)]
    yield
    logging.raiseExceptions = raising
    for each, handlers, propagate, level in before:
        each.handlers[:] = handlers
        each.propagate = propagate
        each.setLevel(level)


def test_lines_carry_time_level_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.configure("info")
    logs.log.debug("not shown")
    logs.log.info("route %s added", "/a")
    handler.close()
    written = capsys.readouterr().err
    assert written.endswith(" INFO proxy route /a added\n")
    assert written.count("\n") == 1


class ClosedPipe:
    """A standard error whose reader is gone."""

    def __init__(self) -> None:
        self.tried = 0

    def write(self, text: str) -> None:
        self.tried += 1
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_closed_pipe_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = ClosedPipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    handler = logs.configure("info")
    for _ in range(3):
        logs.log.info("into the void")
    handler.close()
    assert pipe.tried == 3


def test_a_pipe_nobody_empties_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logs.configure("info")
    for _ in range(2 * logs.MAX_WAITING):
        logs.log.info("x" * 200)
    assert handler._lines.qsize() <= logs.MAX_WAITING
    assert handler._thread.is_alive()
    # Emptying the pipe lets the thread end.
    handler._lines.put(None)
    while handler._thread.is_alive():
        if select.select([reading], [], [], 0.05)[0]:
            os.read(reading, 1_000_000)
    monkeypatch.undo()
    stream.close()
    os.close(reading)


def test_without_standard_error_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    handler = logs.configure("info")
    logs.log.info("to nobody")
    handler.close()
    assert not handler._thread.is_alive()
    assert handler._lines.empty()
