"""Finds lines of the audit log's files, from the newest back, a bounded number of bytes at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from perijove.hub.core.audit import MAX_TORN, read_line
from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.ports.audit import AuditPage, AuditQuery

BLOCK: Final = 256 * 1024
MOST_BYTES: Final = 8 * 1024 * 1024
"""How far one look goes; the next one goes on from there."""
MOST_FILES: Final = 100

Fits = Callable[[Mapping[str, Any]], bool]


class AuditSearch:
    """Reads the log at *path*, and what was rotated away as ``<path>.1``, ``<path>.2`` …, unless it was compressed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def find(self, query: AuditQuery) -> AuditPage:
        """Return what *query* asks for; see the port."""
        try:
            return await asyncio.to_thread(self._find, query)
        except OSError as error:
            raise PerijoveError(Code.UNAVAILABLE, f"The audit log cannot be read: {error.strerror}") from None

    def _find(self, query: AuditQuery) -> AuditPage:
        fits, found, searched = _condition(query), [], 0
        with contextlib.ExitStack() as stack:
            for file, end in _from(query.place, [stack.enter_context(file) for file in self._files()]):
                inode = os.fstat(file.fileno()).st_ino
                for raw, place in _backwards(file, end):
                    searched += len(raw)
                    line = read_line(raw)
                    if line is not None and fits(line.entry):
                        found.append(line.entry)
                    if len(found) >= query.limit or searched >= MOST_BYTES:
                        return AuditPage(found, f"{inode}:{place}", searched)
        return AuditPage(found, "", searched)

    def _files(self) -> Iterator[BinaryIO]:
        """Yield the files of the log, the newest first."""
        for number in range(MOST_FILES):
            path = self._path if not number else self._path.with_name(f"{self._path.name}.{number}")
            try:
                yield path.open("rb")
            except FileNotFoundError:
                # The first one is missing between a rotation and the next line.
                if number:
                    return


def _from(place: str, files: list[BinaryIO]) -> Iterator[tuple[BinaryIO, int]]:
    """Yield *files* with where to begin in each. Raises PerijoveError INVALID if *place* is not known (any more)."""
    inode, _, offset = place.partition(":")
    inodes = [str(os.fstat(file.fileno()).st_ino) for file in files]
    if place and (inode not in inodes or not offset.isascii() or not offset.isdigit() or len(offset) > 18):
        raise invalid("This part of the audit log is gone. Search again from the newest line.")
    first = inodes.index(inode) if place else 0
    for number, file in enumerate(files[first:]):
        size = os.fstat(file.fileno()).st_size
        yield file, min(int(offset), size) if place and not number else size


def _backwards(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the lines before *end*, the last one first, each with the place where it begins."""
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        block = os.pread(file.fileno(), end - start, start) + rest
        lines = block.splitlines(keepends=True)
        place = start + len(block)
        for raw in reversed(lines[1:] if start else lines):
            place -= len(raw)
            yield raw, place
        # What is longer than any line can be is none; it is not gathered any further.
        rest, end = (lines[0] if start and lines and len(lines[0]) <= MAX_TORN else b""), start


def _condition(query: AuditQuery) -> Fits:
    """Return what an entry must be to be among those asked for."""
    text = query.text.casefold()

    def fits(entry: Mapping[str, Any]) -> bool:
        try:
            actor, action, at = entry["actor"]["name"], entry["action"], datetime.fromisoformat(entry["time"])
        except (LookupError, TypeError, ValueError):
            return False
        return (
            (not query.actor or actor == query.actor)
            and (
                not query.action
                or (action.startswith(query.action) if query.action.endswith(".") else action == query.action)
            )
            and query.outcome in {"", entry.get("outcome")}
            and (query.since is None or at >= query.since)
            and (query.until is None or at < query.until)
            and (not text or any(text in value.casefold() for value in _texts(entry)))
        )

    return fits


def _texts(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person would look for in *entry*: all values but the chain's."""
    for key, value in entry.items():
        if key in {"prev", "hash", "v", "seq"}:
            continue
        if isinstance(value, Mapping):
            yield from (str(inner) for inner in value.values())
        else:
            yield str(value)
