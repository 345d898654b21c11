from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from perijove.hub.adapters.inherited import kept, search_path, shell


def test_only_what_a_pattern_names_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"LANG": "C", "LC_ALL": "C", "SECRET": "x", "PATH": "/bin"})
    assert kept() == {"LANG": "C", "LC_ALL": "C", "PATH": "/bin"}
    assert kept(["SEC*"]) == {"SECRET": "x"}


def test_commands_beside_the_hub_come_first() -> None:
    beside = str(Path(sys.executable).parent)
    assert search_path(f"/bin:{beside}::/usr/bin") == f"{beside}:/bin:/usr/bin"
    assert search_path("").startswith(f"{beside}:")


def test_a_shell_that_lets_nobody_in_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        pw_shell = "/usr/sbin/nologin"

    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: Entry)
    assert os.access(shell(), os.X_OK)
    assert "nologin" not in shell()

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert os.access(shell(), os.X_OK)
