"""The audit log: what a line says, how lines are chained, and how a log is checked.

A line is a JSON object. Its last key, ``hash``, is the SHA-256 of the line without that key; ``prev`` is the ``hash``
of the line before. So nobody can change, remove or swap lines without the next one telling, except who writes all that
follow anew: against that, keep the newest hash where they cannot reach it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct

from perijove.hub.core import events
from perijove.hub.core.facts import Audited, Fact, Origin
from perijove.hub.core.names import shorten

VERSION: Final = 1
MAX_TEXT: Final = 255
"""How many characters any text in a line has at most."""
TORN, LOST, OPENED = "log.torn", "log.lost", "log.open"
"""What the log says of itself: a line that was cut short, lines that could not be written, a hub that started."""

_NO_HASH: Final = "0" * 64
_HASH: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}$')
_OWN: Final = Origin()
_FOREIGN: Final = "is no line of an audit log: it was edited or added"
MAX_TORN: Final = 1024 * 1024
"""How many bytes may be the beginning of lines: as much as is written at once."""


class Head(NamedTuple):
    """The newest line: its number, from 1 on, and its hash."""

    seq: int
    hash: str


EMPTY: Final = Head(0, _NO_HASH)
"""The head of a log without lines."""


def entry_of(fact: Fact, origin: Origin, at: datetime, clean: Callable[[str], str] = str) -> dict[str, Any] | None:
    """Return what the log says of *fact*; None if it has no place there.

    Args:
        fact: what happened.
        origin: the request it came from.
        at: when, in UTC.
        clean: takes secrets out of a text.
    """
    how = fact.audited
    if how is None:
        return None
    who, whom = str(getattr(fact, how.who)), str(getattr(fact, how.whom))
    if how.by_others_only and origin.kind != "service" and who == whom.partition("/")[0]:
        return None
    details = {
        name: _bounded(value, clean)
        for name in fact.__struct_fields__
        if name not in {how.who, how.whom} and (value := getattr(fact, name)) != ""
    }
    return _entry(how, _bounded(who, clean), _bounded(whom, clean), details, origin, at)


def note(action: str, at: datetime, **details: Any) -> dict[str, Any]:
    """Return what the log says of itself: *action* is `TORN`, `LOST` or `OPENED`."""
    return _entry(Audited(action, "log", whom=""), "hub", "", details, _OWN, at)


def _bounded(value: Any, clean: Callable[[str], str]) -> Any:
    return shorten(clean(value), MAX_TEXT) if isinstance(value, str) else value


def _entry(
    how: Audited, who: str, whom: str, details: Mapping[str, Any], origin: Origin, at: datetime
) -> dict[str, Any]:
    return {
        "v": VERSION,
        "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "action": how.action,
        "outcome": how.outcome,
        "actor": {"kind": origin.kind, "name": who, "credential": origin.credential},
        "target": {"kind": how.kind, "name": whom},
        "address": shorten(origin.address, MAX_TEXT),
        "request_id": shorten(origin.request_id, MAX_TEXT),
        "details": details,
    }


def chained(entry: Mapping[str, Any], head: Head) -> tuple[bytes, Head]:
    """Return the line of *entry* behind *head*, its line feed included, and the new head."""
    seq = head.seq + 1
    body = json.dumps({"seq": seq, **entry, "prev": head.hash}, ensure_ascii=False, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{digest}"}}\n'.encode(), Head(seq, digest)


class Line(NamedTuple):
    """A line that was read: its place in the chain, and whether it is as it was written."""

    head: Head
    prev: str
    genuine: bool
    entry: Mapping[str, Any]


def read_line(raw: bytes) -> Line | None:
    """Return what stands in a line, its line feed included or not; None if it is no line of an audit log."""
    raw = raw.rstrip(b"\n")
    found = _HASH.search(raw)
    if found is None:
        return None
    body = raw[: found.start()] + b"}"
    try:
        entry = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or type(entry.get("seq")) is not int or not isinstance(entry.get("prev"), str):
        return None
    digest = found[1].decode()
    return Line(Head(entry["seq"], digest), entry["prev"], hashlib.sha256(body).hexdigest() == digest, entry)


def torn_note(torn: bytes, at: datetime) -> dict[str, Any]:
    """Return what the log says of *torn*, the beginning of a line whose writer was killed."""
    return note(TORN, at, bytes=len(torn), sha256=hashlib.sha256(torn).hexdigest())


class Broken(Struct, frozen=True):
    """The first place at which a log is not as it was written."""

    place: str
    why: str


class Report(Struct, frozen=True):
    """What a check found.

    Attributes:
        lines: how many lines are as they were written.
        first: the number of the first line; more than 1 where older lines are in another file.
        head: the last line.
        torn: how many lines were cut short by the end of their writer, and marked so by the next one.
        torn_tail: whether the last line is cut short and not marked yet.
        broken: what is wrong; None if nothing is.
    """

    lines: int = 0
    first: int = 0
    head: Head = EMPTY
    torn: int = 0
    torn_tail: bool = False
    broken: Broken | None = None


def verify(lines: Iterable[tuple[str, bytes]], newest: Head | None = None, anchor: str = "") -> Report:
    """Check a log.

    Args:
        lines: the place of each line in words, and the line with its line feed, as far as it has one.
        newest: the last line that was written, if that is known from elsewhere.
        anchor: the hash of a line that must be there.
    """
    check = _Check(anchor)
    rest = iter(lines)
    for place, raw in rest:
        if (why := check.wrong(place, raw)) is not None:
            return check.report(Broken(*_explained(check.head, why, rest)))
    return check.report(check.wrong_end(newest))


class _Check:
    def __init__(self, anchor: str) -> None:
        self.head = EMPTY
        self._first = self._count = self._torn = 0
        self._anchor = anchor
        self._waiting: tuple[str, bytes] | None = None

    def wrong(self, place: str, raw: bytes) -> tuple[str, str] | None:
        """Take one line; return where something is wrong, and what, or None."""
        line = read_line(raw)
        if line is None or not raw.endswith(b"\n"):
            return self._unreadable(place, raw)
        if self._waiting is not None:
            where, torn = self._waiting
            if not _marks(line, torn.rstrip(b"\n")):
                return where, _FOREIGN
            self._waiting, self._torn = None, self._torn + 1
        if not line.genuine:
            return place, "was edited: its hash is not that of its text"
        if self._count and (line.head.seq, line.prev) != (self.head.seq + 1, self.head.hash):
            return place, self._misplaced(line)
        if not self._count:
            self._first = line.head.seq
            if line.head.seq == 1 and line.prev != _NO_HASH:
                return place, "claims to be the first line and is not"
        self._count += 1
        self.head = line.head
        self._anchor = "" if line.head.hash == self._anchor else self._anchor
        return None

    def _unreadable(self, place: str, raw: bytes) -> tuple[str, str] | None:
        """Keep what may be the beginning of a line until the next line says so."""
        where, before = self._waiting or (place, b"")
        self._waiting = where, before + raw
        return (where, _FOREIGN) if len(before) > MAX_TORN else None

    def _misplaced(self, line: Line) -> str:
        if line.head.seq == self.head.seq + 1:
            return "does not follow from the line before it: one of the two was edited, with its hash"
        if line.head.seq <= self.head.seq:
            return f"was reordered: it is number {line.head.seq} and stands behind number {self.head.seq}"
        return f"follows a gap: {line.head.seq - self.head.seq - 1} lines before it were removed"

    def wrong_end(self, newest: Head | None) -> Broken | None:
        """Return what is wrong once all lines were taken."""
        if self._waiting is not None and self._waiting[1].endswith(b"\n"):
            return Broken(self._waiting[0], _FOREIGN)
        if newest is not None and newest.seq > self.head.seq:
            missing = newest.seq - self.head.seq
            return Broken("the end", f"is truncated: {missing} lines that were written are missing")
        if newest is not None and newest.seq == self.head.seq and newest.hash != self.head.hash:
            return Broken("the last line", "was edited, with its hash: another one was written")
        if self._anchor:
            return Broken("the log", "has no line with the hash that was asked for: it was edited or truncated")
        return None

    def report(self, broken: Broken | None) -> Report:
        """Return what was found."""
        tail = self._waiting is not None and broken is None
        return Report(self._count, self._first, self.head, self._torn, tail, broken)


def _marks(line: Line, torn: bytes) -> bool:
    details = line.entry.get("details")
    digest = hashlib.sha256(torn).hexdigest()
    return (
        line.genuine
        and line.entry.get("action") == TORN
        and isinstance(details, dict)
        and (details.get("sha256") == digest)
    )


def _explained(head: Head, wrong: tuple[str, str], rest: Iterator[tuple[str, bytes]]) -> tuple[str, str]:
    """Tell lines that were moved from lines that are gone: the one that should follow may come later."""
    place, why = wrong
    if "removed" in why:
        for later, raw in rest:
            line = read_line(raw)
            if line is not None and line.genuine and line.prev == head.hash:
                return place, f"was reordered: the line that belongs before it is {later}"
    return wrong


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a line."""
    known = [kind.audited for kind in events.kinds() if kind.audited is not None]
    text = {"type": "string", "maxLength": MAX_TEXT}
    digest = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

    def thing(**properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "required": list(properties),
            "additionalProperties": False,
            "properties": properties,
        }

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of Perijove's audit log",
        **thing(
            seq={"type": "integer", "minimum": 1, "description": "Number of the line, without gaps, over all files"},
            v={"const": VERSION, "description": "Version of this schema"},
            time={"type": "string", "format": "date-time", "description": "When it happened, in UTC"},
            action={"enum": sorted({how.action for how in known} | {TORN, LOST, OPENED}), "description": "What"},
            outcome={"enum": ["success", "refused"]},
            actor=thing(
                kind={"enum": ["user", "service", "operator", "visitor", "hub"]},
                name=text,
                credential={**text, "description": "session, token a<id>, or empty"},
            ),
            target=thing(kind={"enum": sorted({how.kind for how in known} | {"log"})}, name=text),
            address={**text, "description": "Where the request came from; empty if there was none"},
            request_id={**text, "description": "Stands in the hub's log too"},
            details={
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": MAX_TEXT},
            },
            prev={**digest, "description": "The hash of the line before; zeros in the first line"},
            hash={**digest, "description": "SHA-256 of this line without this key"},
        ),
    }
