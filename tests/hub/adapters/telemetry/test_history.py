from __future__ import annotations

import os
from pathlib import Path

from perijove.hub.adapters.telemetry.history import HistoryWriter
from perijove.hub.core.events import ServerFailed, ServerReady, SignedIn
from perijove.hub.core.history import Gauges
from perijove.hub.core.servers import State
from perijove.hub.testing.fakes import FakeClock


def point(writer: HistoryWriter, clock: FakeClock) -> object:
    return writer.history.points(clock.now(), 1, 1)[0]


def test_starts_and_failures_are_counted() -> None:
    clock = FakeClock()
    writer = HistoryWriter(clock)
    for fact in (ServerReady("ada/", 2.0), ServerReady("bob/", 4.0), ServerFailed("ada/", "no", 1.0), SignedIn("ada")):
        writer.emit(fact)
    (seen,) = writer.history.points(clock.now(), 1, 1)
    assert (seen.starts, seen.failures, seen.seconds, seen.longest) == (2, 1, 3.0, 4.0)


def test_servers_and_memory_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_text("100 7 3 1 0 5 0\n")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable:  400 kB\nHugePages_Total: 0\n")
    clock = FakeClock()
    writer = HistoryWriter(clock, tmp_path)
    writer.look({State.READY: 5, State.STARTING: 1, State.ROUTING: 2, State.QUEUED: 4, State.STOPPED: 9})
    (seen,) = writer.history.points(clock.now(), 1, 1)
    assert seen.gauges == Gauges(5, 3, 4, 7 * os.sysconf("SC_PAGE_SIZE"), 600 * 1024, 1000 * 1024)


def test_a_machine_that_does_not_tell_of_memory_has_none(tmp_path: Path) -> None:
    clock = FakeClock()
    writer = HistoryWriter(clock, tmp_path)
    writer.look({})
    (seen,) = writer.history.points(clock.now(), 1, 1)
    assert seen.gauges == Gauges()


def test_this_machine_tells_of_memory() -> None:
    clock = FakeClock()
    writer = HistoryWriter(clock)
    writer.look({})
    (seen,) = writer.history.points(clock.now(), 1, 1)
    assert seen.gauges is not None
    assert 0 < seen.gauges.hub_memory < seen.gauges.all_memory
