from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from perijove.singleuser.launcher.installed import Installed


def test_a_package_that_comes_or_goes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "archive.zip")])
    os.utime(tmp_path, ns=(1, 1))
    before = Installed.now()
    assert Installed.now() == before
    (tmp_path / "package-1.0.dist-info").mkdir()
    assert Installed.now() != before


def test_the_working_directory_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "relative"])
    monkeypatch.chdir(tmp_path)
    before = Installed.now()
    (tmp_path / "notes.txt").touch()
    assert Installed.now() == before
