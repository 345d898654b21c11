from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.adapters.spawners.homes import file_name, prepare_home
from perijove.hub.core.errors import Code, PerijoveError

NAMES = st.text(min_size=1, max_size=255)


@pytest.mark.parametrize("name", ["alice", "a.b-c_d", "alice@example.org", "a+b", "42"])
def test_ordinary_names_stay(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("name", "expected"), [("..", "=2e."), (".ssh", "=2essh"), ("-rf", "=2drf"), ("a=b", "a=3db"), ("é", "=c3=a9")]
)
def test_special_names_are_escaped(name: str, expected: str) -> None:
    assert file_name(name) == expected


@given(NAMES)
def test_every_name_gives_one_harmless_file_name(name: str) -> None:
    result = file_name(name)
    assert result.isascii()
    assert "/" not in result
    assert "\0" not in result
    assert result[0] not in ".-"
    assert 0 < len(result) <= 200


@given(NAMES, NAMES)
def test_no_two_names_share_one(one: str, other: str) -> None:
    assert (file_name(one).lower() == file_name(other).lower()) == (one == other)


def test_long_names_stay_apart() -> None:
    long = "é" * 255
    assert file_name(long) != file_name("é" * 254)
    assert "==" in file_name(long)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_missing_folders_are_made_for_us_alone(tmp_path: Path) -> None:
    home = tmp_path / "homes" / "alice"
    prepare_home(home)
    assert (mode(home), mode(home.parent)) == (0o700, 0o700)
    (home / "file").touch()
    prepare_home(home)
    assert (home / "file").exists()


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    prepare_home(home)
    assert mode(home) == 0o755


def test_a_link_of_ours_may_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "big-disk").mkdir()
    (tmp_path / "alice").symlink_to(tmp_path / "big-disk")
    prepare_home(tmp_path / "alice")


def refused(home: Path) -> str:
    with pytest.raises(PerijoveError) as error:
        prepare_home(home)
    assert error.value.code is Code.FAILED
    return error.value.message


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "alice").touch()
    assert "is not a folder" in refused(tmp_path / "alice")
    assert "cannot be used" in refused(tmp_path / "alice" / "below")


def test_a_link_to_nowhere_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "alice").symlink_to(tmp_path / "nowhere")
    assert "cannot be used" in refused(tmp_path / "alice")


def test_a_folder_of_somebody_else_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "belongs to another user" in refused(home)
