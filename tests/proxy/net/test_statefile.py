"""The file that keeps the routes."""

from __future__ import annotations

import json
import logging
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.saved import write_table
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.net import statefile
from perijove.proxy.net.statefile import StateFile, load

TARGET = parse_target("http://127.0.0.1:1")


@pytest.fixture
def book() -> RouteBook:
    return RouteBook()


def put(book: RouteBook, key: str, now: float = 100.0) -> None:
    assert isinstance(TARGET, Target)
    book.put(key, TARGET, {"user": "a"}, now)


def saved(path: Path) -> list[str]:
    return list(json.loads(path.read_text())["routes"]) if path.exists() else []


async def test_a_change_is_written_a_moment_later(book: RouteBook, tmp_path: Path, eventually: Any) -> None:
    path = tmp_path / "routes.json"
    file = StateFile(path, book)
    put(book, "/a")
    assert not path.exists()
    await eventually(lambda: saved(path) == ["/a"])
    put(book, "/b")
    book.remove("/a")
    await eventually(lambda: saved(path) == ["/b"])
    await file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


async def test_the_last_change_is_written_at_the_end(book: RouteBook, tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    file = StateFile(path, book)
    put(book, "/a", time.time() - 1000)
    await file.close()
    await file.close()
    put(book, "/later")
    again = RouteBook()
    load(path, again)
    assert {route.key: route for route in again.table} == {"/a": book.table.get("/a")}
    assert again.activity.last("/a") == int(book.activity.last("/a") or 0)


async def test_activity_is_written_now_and_then_and_nothing_while_idle(
    book: RouteBook, tmp_path: Path, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statefile, "ACTIVITY_SECONDS", 0.01)
    monkeypatch.setattr(statefile, "SETTLE_SECONDS", 0.01)
    path = tmp_path / "routes.json"
    put(book, "/a")
    file = StateFile(path, book)
    await eventually(path.exists)
    first = path.stat().st_ino
    looks = 0

    def looked(*args: Any) -> bytes:
        nonlocal looks
        looks += 1
        return write_table(*args)

    monkeypatch.setattr(statefile, "write_table", looked)
    await eventually(lambda: looks > 3)
    assert path.stat().st_ino == first
    book.activity.touch("/a", 200.0)
    await eventually(lambda: '"last_activity": 200' in path.read_text())
    await file.close()


async def test_a_file_that_cannot_be_written_is_told_once(
    book: RouteBook, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(statefile, "SETTLE_SECONDS", 0.01)
    folder = tmp_path / "missing"
    file = StateFile(folder / "routes.json", book)
    put(book, "/a")
    await eventually(lambda: len(caplog.records) == 1)
    put(book, "/b")
    folder.mkdir()
    put(book, "/c")
    await eventually(lambda: saved(folder / "routes.json") == ["/a", "/b", "/c"])
    await file.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "routes.json.new").symlink_to(victim)
    with pytest.raises(OSError):
        statefile._replace(tmp_path / "routes.json", b"{}")
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": 1}', b'{"version": 1, "host_routing": false, "routes": 5}']
)
def test_a_bad_file_is_told_and_the_table_is_empty(
    book: RouteBook, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "routes.json"
    path.write_bytes(content)
    load(path, book)
    assert not len(book.table)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_files_too_large_or_not_readable(
    book: RouteBook, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path / "none", book)
    assert not caplog.records
    load(tmp_path, book)
    monkeypatch.setattr(statefile, "MAX_FILE", 5)
    (tmp_path / "large").write_bytes(b"x" * 6)
    load(tmp_path / "large", book)
    assert len(caplog.records) == 2
    assert "too large" in caplog.text
