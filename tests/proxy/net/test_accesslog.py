"""Writing the access log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from perijove.proxy.core.accesslog import Exchange
from perijove.proxy.net.accesslog import AccessLog


def exchange(number: int) -> Exchange:
    return Exchange(
        0.0, 1.0, 0.5, "a", "GET", f"/{number}", "HTTP/1.1", "h", "", 200, 0, 0, "hub", "-", str(number), False, ""
    )


def ids(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()]


def test_every_line_arrives_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    access = AccessLog("json", str(path), query=False)
    for number in range(2000):
        access.add(exchange(number))
    access.close()
    assert ids(path) == [str(number) for number in range(2000)]
    assert path.stat().st_mode & 0o007 == 0


def test_a_log_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path, moved = tmp_path / "log", tmp_path / "log.1"
    path.write_text("")
    access = AccessLog("json", str(path), query=False)
    path.rename(moved)
    access.reopen()
    access.add(exchange(1))
    access.close()
    assert (ids(path), ids(moved)) == (["1"], [])


def test_a_log_that_cannot_be_opened_anew_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    access = AccessLog("json", str(folder / "log"), query=False)
    (folder / "log").rename(tmp_path / "kept")
    folder.rmdir()
    access.reopen()
    access.add(exchange(1))
    access.close()
    assert ids(tmp_path / "kept") == ["1"]
    assert "cannot be opened anew" in caplog.text


def test_a_full_disk_stops_nothing() -> None:
    access = AccessLog("json", "/dev/full", query=False)
    access.add(exchange(1))
    access.close()
    access.close()


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        AccessLog("json", str(tmp_path), query=False)


def test_standard_output(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(os.dup(1), "w") as out:
        monkeypatch.setattr("sys.stdout", out)
        access = AccessLog("common", "-", query=False)
        access.add(exchange(5))
        access.reopen()
        access.add(exchange(6))
        access.close()
    assert [line.split('"')[1] for line in capfd.readouterr().out.splitlines()] == [
        "GET /5 HTTP/1.1",
        "GET /6 HTTP/1.1",
    ]
