from __future__ import annotations

import stat
from pathlib import Path

import pytest

from perijove.hub.adapters.processes import ProcessIdentity
from perijove.hub.adapters.proxies import record as records
from perijove.hub.adapters.proxies.record import ProxyRecord

RECORD = ProxyRecord(ProcessIdentity(4711, 99, "boot"), ("proxy", "--port", "8000"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "proxy.pid"
    records.write(path, RECORD)
    assert records.read(path) == RECORD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "proxy.pid"
    path.write_text("4711")
    path.chmod(0o644)
    records.write(path, RECORD)
    assert records.read(path) == RECORD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", "4711", "[]", "{}", '{"pid": 4711, "command": ["x"]}', '{"command": "x"}', "\xff"]
)
def test_anything_else_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "proxy.pid").write_bytes(text.encode("latin-1"))
    assert records.read(tmp_path / "proxy.pid") is None


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert records.read(tmp_path / "proxy.pid") is None
    with pytest.raises(IsADirectoryError):
        records.read(tmp_path)
