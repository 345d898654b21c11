from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners import memory
from perijove.hub.adapters.spawners.memory import CENSUS_SECONDS, Census, memory_of

MEGABYTE = 1024 * 1024
HOLDS = "import sys; held = bytearray(b'x') * ({} << 20); print('here', flush=True); sys.stdin.read()"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a process of the run "a-run" that leads a session and holds so many megabytes."""
    started: list[subprocess.Popen[bytes]] = []

    def run(megabytes: int = 1, **env: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", HOLDS.format(megabytes)],
            env={**os.environ, RUN_VARIABLE: "a-run", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_uses_what_it_holds(start: Start) -> None:
    small, large = start(1), start(65)
    assert 60 * MEGABYTE < memory_of([large.pid]) - memory_of([small.pid]) < 70 * MEGABYTE
    both = memory_of([small.pid, large.pid])
    assert abs(both - memory_of([small.pid]) - memory_of([large.pid])) < MEGABYTE


def test_where_shares_are_hidden_the_resident_size_is_taken(start: Start, tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "statm").write_text("500 25 10 1 0 100 0\n")
    monkeypatch.setattr(memory, "PROC", tmp_path)
    assert memory_of([17]) == 25 * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "17" / "smaps_rollup").write_text("00-ff ---p 0 0 [rollup]\nRss: 90 kB\nPss:   40 kB\nPss_Anon: 5 kB\n")
    assert memory_of([17]) == 40 * 1024


def test_what_is_gone_uses_nothing(start: Start) -> None:
    process = start()
    process.kill()
    process.communicate()
    assert memory_of([process.pid]) == 0


def test_the_processes_of_a_run_are_found_by_its_number_or_its_session(start: Start) -> None:
    ours, hiding = start(), start(**{RUN_VARIABLE: "another"})
    census = Census()
    assert census.members("a-run", None) == {ours.pid}
    assert census.members("a-run", processes.identify(hiding.pid)) == {ours.pid, hiding.pid}
    assert census.members("none", None) == set()


def test_all_are_looked_for_at_once_and_again_after_some_seconds(start: Start) -> None:
    now = 100.0
    first = start()
    census = Census(lambda: now)
    assert census.members("a-run", None) == {first.pid}
    second = start(**{RUN_VARIABLE: "b-run"})
    assert census.members("b-run", None) == set()
    assert census.members("b-run", processes.identify(second.pid)) == {second.pid}
    now += CENSUS_SECONDS
    assert census.members("b-run", None) == {second.pid}
