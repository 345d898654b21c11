from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from perijove.installed import Installed


def test_a_package_that_comes_or_goes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "archive.zip")])
    os.utime(tmp_path, ns=(1, 1))
    before = Installed.now()
    assert not before.outdated()
    (tmp_path / "package-1.0.dist-info").mkdir()
    assert before.outdated()
    assert not Installed.now().outdated()


def test_a_file_of_ours_that_is_replaced_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("perijove.inner.module")
    module.__file__ = str(tmp_path / "module.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    os.utime(tmp_path, ns=(1, 1))
    before = Installed.now()
    (tmp_path / "module.py").touch()
    assert before.outdated()


def test_what_is_imported_later_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Installed.now()
    module = ModuleType("perijove.later")
    module.__file__ = str(tmp_path / "later.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert not before.outdated()


def test_the_working_directory_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "relative"])
    monkeypatch.chdir(tmp_path)
    before = Installed.now()
    (tmp_path / "notes.txt").touch()
    assert not before.outdated()
