from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from msgspec.structs import fields

from perijove.hub.core import audit, events
from perijove.hub.core.audit import EMPTY, Broken, Head, Report, chained, entry_of, note, read_line, torn_note, verify
from perijove.hub.core.facts import Fact, Origin

ORIGIN = Origin("user", "token a7", "192.0.2.1", "request-1")


def example(kind: Any, text: str = "text") -> Fact:
    values = {"str": text, "int": 1, "float": 1.5, "bool": True}
    fact: Fact = kind(**{field.name: values[field.type.__name__] for field in fields(kind)})
    return fact


def log_of(count: int, now: datetime, head: Head = EMPTY) -> tuple[list[bytes], Head]:
    lines = []
    for number in range(count):
        entry = entry_of(events.UserCreated(f"user{number}", "root"), ORIGIN, now)
        assert entry is not None
        line, head = chained(entry, head)
        lines.append(line)
    return lines, head


def check(lines: Sequence[bytes], newest: Head | None = None, anchor: str = "") -> Report:
    return verify(((f"line {number}", line) for number, line in enumerate(lines, 1)), newest, anchor)


def broken(lines: Sequence[bytes], newest: Head | None = None, anchor: str = "") -> Broken:
    found = check(lines, newest, anchor).broken
    assert found is not None
    return found


def test_a_line_tells_who_did_what_to_whom_from_where(now: datetime) -> None:
    entry = entry_of(events.TokenRevoked("ada", "root", "a3"), ORIGIN, now)
    assert entry is not None
    line, head = chained(entry, EMPTY)
    told = json.loads(line)
    assert told == {
        "seq": 1,
        "v": 1,
        "time": "2026-03-01T12:00:00.000000Z",
        "action": "token.revoke",
        "outcome": "success",
        "actor": {"kind": "user", "name": "root", "credential": "token a7"},
        "target": {"kind": "user", "name": "ada"},
        "address": "192.0.2.1",
        "request_id": "request-1",
        "details": {"token": "a3"},
        "prev": "0" * 64,
        "hash": head.hash,
    }
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


@pytest.mark.parametrize("kind", events.kinds(), ids=lambda kind: kind.__name__)
def test_every_kind_of_line_keeps_the_schema(kind: Any, now: datetime) -> None:
    entry = entry_of(example(kind), Origin("service", "token a7"), now)
    assert (entry is None) == (kind.audited is None)
    validator = Draft202012Validator(audit.schema())
    for told in [entry or note(audit.LOST, now, count=3), note(audit.OPENED, now, pid=1), torn_note(b"x", now)]:
        validator.validate(json.loads(chained(told, EMPTY)[0]))


def test_the_published_schema_is_this_one(checkout: Path, now: datetime) -> None:
    published = json.loads((checkout / "docs/audit.schema.json").read_text())
    assert published == audit.schema(), "run: perijove audit schema > docs/audit.schema.json"
    Draft202012Validator.check_schema(published)
    told = json.loads(log_of(1, now)[0][0])
    told["surprise"] = True
    assert not Draft202012Validator(published).is_valid(told)


def test_cve_2026_54338_what_somebody_typed_is_bounded_in_a_line(now: datetime) -> None:
    entry = entry_of(events.SignInRefused("n" * 10_000_000, "r\n" * 1_000_000), ORIGIN, now)
    assert entry is not None
    assert len(chained(entry, EMPTY)[0]) < 2000


def test_no_line_can_be_forged_by_a_name(now: datetime) -> None:
    entry = entry_of(events.SignInRefused('x\n{"seq":1}\ud800\u2028', "no"), ORIGIN, now)
    assert entry is not None
    assert len(chained(entry, EMPTY)[0].decode().splitlines()) == 1


def test_secrets_are_taken_out(now: datetime) -> None:
    entry = entry_of(
        events.SignInRefused("ada", "password=hunter2"), ORIGIN, now, lambda text: text.replace("hun", "*")
    )
    assert entry is not None
    assert entry["details"] == {"reason": "password=*ter2"}


@pytest.mark.parametrize(
    ("by", "kind", "told"), [("ada", "user", False), ("root", "user", True), ("ada", "service", True)]
)
@pytest.mark.parametrize("fact", [events.ServerStartRequested, events.ServerStopRequested, events.ServerAccessed])
def test_servers_are_told_of_only_when_somebody_else_is_at_them(
    fact: Any, by: str, kind: str, told: bool, now: datetime
) -> None:
    assert (entry_of(fact("ada/lab", by), Origin(kind), now) is not None) is told


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_log_as_it_was_written_is_fine(count: int, now: datetime) -> None:
    lines, head = log_of(count, now)
    report = check(lines, head)
    assert (report.lines, report.head, report.broken, report.torn) == (count, head, None, 0)


def test_a_log_goes_on_in_the_next_file(now: datetime) -> None:
    lines, head = log_of(6, now)
    report = check(lines[3:], head)
    assert (report.lines, report.first, report.broken) == (3, 4, None)


def test_an_edited_line_is_named(now: datetime) -> None:
    lines, head = log_of(5, now)
    lines[2] = lines[2].replace(b"user2", b"user9")
    assert broken(lines, head) == Broken("line 3", "was edited: its hash is not that of its text")


def test_an_edited_line_with_a_new_hash_does_not_fit_the_next(now: datetime) -> None:
    lines, head = log_of(5, now)
    entry = entry_of(events.UserCreated("forged", "root"), ORIGIN, now)
    first = read_line(lines[1])
    assert entry is not None
    assert first is not None
    lines[2], _ = chained(entry, first.head)
    found = broken(lines, head)
    assert found.place == "line 4"
    assert "edited, with its hash" in found.why


def test_the_last_line_with_a_new_hash_is_not_the_one_that_was_written(now: datetime) -> None:
    lines, head = log_of(3, now)
    before = read_line(lines[1])
    assert before is not None
    forged, _ = chained(note(audit.OPENED, now), before.head)
    assert broken([*lines[:2], forged], head).place == "the last line"


def test_removed_lines_are_counted(now: datetime) -> None:
    lines, head = log_of(6, now)
    assert broken([*lines[:2], *lines[4:]], head) == Broken("line 3", "follows a gap: 2 lines before it were removed")


def test_lines_in_another_order_are_told_from_removed_ones(now: datetime) -> None:
    lines, head = log_of(5, now)
    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    assert broken(swapped, head) == Broken("line 2", "was reordered: the line that belongs before it is line 3")
    assert "reordered" in broken([*lines, lines[1]], head).why


def test_lines_missing_at_the_end_are_noticed(now: datetime) -> None:
    lines, head = log_of(5, now)
    assert broken(lines[:3], head) == Broken("the end", "is truncated: 2 lines that were written are missing")
    assert check(lines[:3]).broken is None
    assert broken([], head).place == "the end"


def test_an_anchor_kept_elsewhere_finds_a_log_written_anew(now: datetime) -> None:
    lines, head = log_of(4, now)
    anchor = head.hash
    assert check(lines, anchor=anchor).broken is None
    forged, newest = log_of(4, datetime(2026, 3, 2, tzinfo=UTC))
    assert check(forged, newest).broken is None
    assert broken(forged, newest, anchor).place == "the log"


def test_a_first_line_that_is_none_is_noticed(now: datetime) -> None:
    line, _ = chained(note(audit.OPENED, now), Head(0, "1" * 64))
    assert "claims to be the first" in broken([line]).why


@pytest.mark.parametrize("foreign", [b"hello\n", b"{}\n", b"[]\n", b"\n", b"\xff\xfe\n", b'{"a":' * 9999 + b"\n"])
def test_what_is_no_line_was_added(foreign: bytes, now: datetime) -> None:
    lines, _ = log_of(3, now)
    assert broken([*lines[:2], foreign, *lines[2:]]).place == "line 3"
    assert "edited or added" in broken([*lines, foreign]).why


def test_a_line_that_a_killed_writer_left_is_torn_and_not_forged(now: datetime) -> None:
    lines, head = log_of(2, now)
    torn = lines[1][:40]
    mark, after = chained(torn_note(torn, now), head)
    more, newest = log_of(2, now, after)
    report = check([*lines, torn + b"\n", mark, *more], newest)
    assert (report.torn, report.broken, report.lines) == (1, None, 5)
    assert broken([*lines, torn + b"x\n", mark, *more], newest).place == "line 3"


def test_a_torn_last_line_is_reported_as_such(now: datetime) -> None:
    lines, head = log_of(2, now)
    report = check([*lines, lines[1][:40]], head)
    assert (report.torn_tail, report.broken, report.lines) == (True, None, 2)


def test_foreign_lines_do_not_fill_the_memory(now: datetime) -> None:
    lines, _ = log_of(1, now)
    endless = (("somewhere", b"x" * 1000 + b"\n") for _ in range(10**9))
    report = verify(endless)
    assert report.broken is not None
    assert check(lines).broken is None
