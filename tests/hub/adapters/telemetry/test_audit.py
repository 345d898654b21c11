from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.adapters.telemetry import audit as adapter
from perijove.hub.adapters.telemetry.audit import AuditFile, AuditLog, read_state, state_path
from perijove.hub.core import audit, events
from perijove.hub.core.audit import Report, note, verify
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.facts import Origin
from perijove.hub.ports.telemetry import ORIGIN
from perijove.hub.testing.fakes import FakeClock

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def entries(count: int) -> list[Any]:
    return [note(audit.OPENED, NOW, number=number) for number in range(count)]


def checked(*paths: Path, state_of: Path | None = None) -> Report:
    lines = [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]
    state = read_state(state_of or paths[-1])
    assert state is not None
    return verify(((f"line {number}", line) for number, line in enumerate(lines, 1)), state.head)


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def running(path: Path, failed: Callable[[int], None] = lambda lost: None) -> Iterator[AuditLog]:
    log = AuditLog(path, FakeClock(), failed)
    log.start()
    yield log
    log.close()


def test_facts_become_lines_in_their_order(path: Path) -> None:
    with running(path) as log:
        token = ORIGIN.set(Origin("user", "session", "192.0.2.1", "request-1"))
        for number in range(450):
            log.emit(events.UserCreated(f"user{number}", "root"))
        ORIGIN.reset(token)
        log.emit(events.ServerReady("ada/", 1.0))
    lines = told(path)
    assert [line["target"]["name"] for line in lines[1:]] == [f"user{number}" for number in range(450)]
    assert (lines[0]["action"], lines[0]["details"]) == ("log.open", {"pid": os.getpid()})
    assert (lines[1]["address"], lines[1]["request_id"]) == ("192.0.2.1", "request-1")
    assert checked(path).broken is None


def test_nobody_else_can_read_it(path: Path) -> None:
    AuditFile(path).append(entries(1), NOW)
    for file in (path, state_path(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_do_not_get_in(path: Path) -> None:
    with running(path) as log:
        log.emit(events.SignInRefused("ada", "the plug-in says token=abcdefghijkl"))
    assert "abcdefghijkl" not in path.read_text()


def append_often(path: Path, count: int) -> None:
    for _ in range(count):
        AuditFile(path).append(entries(2), NOW)


def test_several_processes_write_one_chain(path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    writers = [start.Process(target=append_often, args=(path, 25)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    report = checked(path)
    assert (report.lines, report.broken, report.torn) == (150, None, 0)


def test_the_chain_goes_on_after_a_rotation(path: Path) -> None:
    file = AuditFile(path)
    file.append(entries(3), NOW)
    old = path.rename(path.with_name("audit.jsonl.1"))
    file.append(entries(2), NOW)
    assert [line["seq"] for line in told(path)] == [4, 5]
    assert checked(old, path, state_of=path).broken is None
    assert checked(path).first == 4


def test_the_chain_goes_on_after_the_file_was_copied_and_emptied(path: Path) -> None:
    file = AuditFile(path)
    file.append(entries(3), NOW)
    old = path.with_name("copy")
    old.write_bytes(path.read_bytes())
    os.truncate(path, 0)
    file.append(entries(2), NOW)
    assert checked(old, path, state_of=path).broken is None


@pytest.mark.parametrize("keep", ["state", "old state", "no state", "broken state"])
@pytest.mark.parametrize("rest", [b"", b'{"seq":4,"v":1,"ti', b"\n", "whole"], ids=["none", "torn", "feed", "whole"])
def test_a_writer_killed_at_any_moment_is_told_honestly(path: Path, keep: str, rest: Any) -> None:
    file = AuditFile(path)
    file.append(entries(2), NOW)
    state = state_path(path).read_bytes()
    file.append(entries(1), NOW)
    if keep == "old state":
        state_path(path).write_bytes(state)
    elif keep == "no state":
        state_path(path).unlink()
    elif keep == "broken state":
        state_path(path).write_bytes(b"{")
    if rest == "whole":
        last = audit.read_line(path.read_bytes().splitlines()[-1])
        assert last is not None
        rest = audit.chained(entries(1)[0], last.head)[0][:-1]
    with path.open("ab") as stream:
        stream.write(rest)
    before = path.read_bytes()
    file.append(entries(2), NOW)
    assert path.read_bytes().startswith(before)
    report = checked(path)
    if rest == b"\n" and keep in ("no state", "broken state"):
        assert report.broken is not None  # nothing tells that the empty line came from a writer
        return
    assert report.broken is None
    assert report.torn == (1 if rest.strip() and not rest.endswith(b"}") else report.torn)


def test_who_is_killed_while_marking_a_torn_line_is_marked_too(path: Path) -> None:
    file = AuditFile(path)
    file.append(entries(1), NOW)
    with path.open("ab") as stream:
        stream.write(b'{"seq":2\n{"seq":2,"action":"log.to')
    file.append(entries(1), NOW)
    report = checked(path)
    assert (report.broken, report.torn, report.lines) == (None, 1, 3)


def test_an_edited_last_line_does_not_become_a_torn_one(path: Path) -> None:
    file = AuditFile(path)
    file.append(entries(3), NOW)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"something else\n"]))
    file.append(entries(1), NOW)
    assert checked(path).broken is not None


def test_lines_cut_off_are_noticed_before_and_after_the_next_write(path: Path) -> None:
    file = AuditFile(path)
    file.append(entries(5), NOW)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    found = checked(path).broken
    assert found is not None
    assert "3 lines" in found.why
    file.append(entries(1), NOW)
    found = checked(path).broken
    assert found is not None
    assert "3 lines" in found.why


def test_a_full_disk_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AuditFile(path)
    file.append(entries(1), NOW)
    before, real = path.read_bytes(), os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(data)[:-50])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.append(entries(1), NOW)
    monkeypatch.undo()
    assert path.read_bytes() == before
    file.append(entries(1), NOW)
    assert checked(path).lines == 2


def test_what_cannot_be_written_waits_and_what_does_not_fit_is_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "MAX_WAITING", 3)
    monkeypatch.setattr(adapter, "RETRY", 0.01)
    real, full = AuditFile.append, True
    failures: list[int] = []

    def append(self: AuditFile, entries: Any, now: datetime) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, entries, now)

    monkeypatch.setattr(AuditFile, "append", append)
    with capture_logs() as logged:
        log = AuditLog(path, FakeClock(), failures.append)
        log.start()
        for number in range(5):
            log.emit(events.UserCreated(f"user{number}", "root"))
        assert sum(failures) == 3
        full = False
        log.emit(events.UserCreated("late", "root"))
        log.close()
    lines = told(path)
    assert [line["action"] for line in lines][:3] == ["log.open", "user.create", "user.create"]
    lost = [line["details"]["count"] for line in lines if line["action"] == "log.lost"]
    assert sum(lost) in (3, 4)
    assert checked(path).broken is None
    assert any(line["log_level"] == "critical" and "cannot be written" in line["event"] for line in logged)


def test_a_disk_full_until_the_end_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(self: AuditFile, entries: Any, now: datetime) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(AuditFile, "append", append)
    with capture_logs() as logged, running(path) as log:
        log.emit(events.UserCreated("ada", "root"))
    assert any(line["event"] == "entries of the audit log are lost" and line["count"] == 2 for line in logged)


def test_a_file_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(PerijoveError, match="audit_log_file"):
        AuditLog(tmp_path / "missing" / "audit.jsonl", FakeClock())


def write_until_killed(path: Path, ready: Any) -> None:
    file = AuditFile(path)
    file.append(entries(1), NOW)
    ready.set()
    while True:
        file.append(entries(50), NOW)


def test_kill_9_in_the_middle_of_writing_breaks_nothing(path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    for _ in range(3):
        ready = start.Event()
        writer = start.Process(target=write_until_killed, args=(path, ready))
        writer.start()
        assert ready.wait(30)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        AuditFile(path).append(entries(1), NOW)
        assert checked(path).broken is None
