from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perijove.hub.adapters.telemetry.audit import AuditFile, state_path
from perijove.hub.cli.audit import BROKEN, OK, TORN, UNREADABLE, main
from perijove.hub.core.audit import OPENED, note, schema

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    AuditFile(path).append([note(OPENED, NOW, number=number) for number in range(4)], NOW)
    return path


def test_a_log_as_it_was_written_is_ok(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(path)]) == OK
    said = capsys.readouterr().out
    newest = json.loads(path.read_text().splitlines()[-1])["hash"]
    assert said == f"OK: 4 lines as they were written (numbers 1 to 4)\nnewest hash: {newest}\n"
    assert main(["verify", str(path), "--expect", newest]) == OK
    assert main(["verify", str(path), "--expect", "0" * 64]) == BROKEN


def test_the_first_broken_line_is_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    assert main(["verify", str(path)]) == BROKEN
    assert capsys.readouterr().out == f"BROKEN: {path}, line 2 follows a gap: 1 lines before it were removed\n"
    path.write_text("".join(lines[:3]))
    assert main(["verify", str(path)]) == BROKEN
    assert "truncated" in capsys.readouterr().out


def test_a_torn_last_line_has_a_status_of_its_own(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with path.open("a") as file:
        file.write('{"seq":5,')
    assert main(["verify", str(path)]) == TORN
    assert capsys.readouterr().out.startswith("TORN: 4 lines")
    AuditFile(path).append([note(OPENED, NOW)], NOW)
    assert main(["verify", str(path)]) == OK
    assert "1 cut short when a hub was killed" in capsys.readouterr().out


def test_files_of_a_rotation_are_checked_together(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = path.rename(path.with_name("audit.jsonl.1"))
    AuditFile(path).append([note(OPENED, NOW)], NOW)
    assert main(["verify", str(old), str(path)]) == OK
    assert main(["verify", str(path), str(old)]) == BROKEN
    state_path(path).unlink()
    assert main(["verify", str(path)]) == OK
    assert "would not be noticed" in capsys.readouterr().out


def test_the_configured_log_is_the_default(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(path.parent)
    config = path.parent / "jupyterhub_config.py"
    config.write_text("c = get_config()\n")
    assert main(["verify"]) == OK
    config.write_text("c.JupyterHub.audit_log_file = ''\n")
    assert main(["verify"]) == UNREADABLE
    assert "there is no audit log" in capsys.readouterr().err
    config.write_text("c.JupyterHub.audit_log_fiel = ''\n")
    assert main(["verify", "-f", str(config)]) == UNREADABLE
    assert "audit_log_fiel" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nothing")]) == UNREADABLE
    assert "nothing cannot be read: No such file" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == OK
    assert json.loads(capsys.readouterr().out) == schema()
