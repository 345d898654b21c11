from __future__ import annotations

import stat
from pathlib import Path

import pytest

from perijove.hub.adapters.run_files import make_folders, pid_file
from perijove.hub.core.errors import Code, PerijoveError


def test_folders_are_for_the_hub_only_and_may_be_there_already(tmp_path: Path) -> None:
    data = tmp_path / "a" / "data"
    for _ in range(2):
        make_folders(data)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (data, data / "logs")} == {0o700}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PerijoveError) as refused:
        make_folders(tmp_path / "file" / "data")
    assert refused.value.code is Code.UNAVAILABLE
    assert str(tmp_path / "file" / "data") in refused.value.message


def test_the_process_id_is_in_its_file_as_long_as_the_hub_runs(tmp_path: Path) -> None:
    path = tmp_path / "hub.pid"
    with pid_file(path, 12345):
        assert int(path.read_text()) == 12345
    assert not path.exists()
    with pid_file(path, 12345):
        path.unlink()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PerijoveError, match="cannot be written"), pid_file(tmp_path / "none" / "hub.pid", 12345):
        pass
