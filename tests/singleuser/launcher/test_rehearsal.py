from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from perijove.singleuser.launcher import rehearsal
from perijove.singleuser.launcher.rehearsal import import_all, rehearsed

UNUSUAL = "wave"
"""A module of the standard library that nothing else imports."""


@pytest.fixture(autouse=True)
def single_threaded() -> None:
    """Copying a process with threads is not what is tested here."""
    if threading.active_count() > 1:
        pytest.skip("this worker has threads already")


def test_what_a_rehearsal_imports_is_told_and_not_imported_here() -> None:
    sys.modules.pop(UNUSUAL, None)
    assert UNUSUAL in rehearsed(lambda: __import__(UNUSUAL), "a wave")
    assert UNUSUAL not in sys.modules
    import_all([UNUSUAL, "no.such.module"])
    assert UNUSUAL in sys.modules


def test_a_rehearsal_leaves_no_trace(tmp_path: Path) -> None:
    told = tmp_path / "told"

    def play() -> None:
        told.write_text(f"{Path.cwd()}\n{os.environ['HOME']}\n{list(Path.cwd().iterdir())}")
        Path("file").touch()
        os.write(1, b"nobody reads this")

    before = Path.cwd(), os.environ["HOME"]
    assert isinstance(rehearsed(play, "nothing"), list)
    folder, home, found = told.read_text().splitlines()
    assert folder == home != str(Path.home())
    assert found == "[]"
    assert not Path(folder).exists()
    assert (Path.cwd(), os.environ["HOME"]) == before


def test_a_rehearsal_that_fails_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    def play() -> None:
        raise ValueError("no such play")

    assert rehearsed(play, "Hamlet") == []
    assert "the rehearsal of Hamlet failed: ValueError: no such play" in capfd.readouterr().err


def test_a_rehearsal_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "REHEARSAL_SECONDS", 0.1)
    assert rehearsed(threading.Event().wait, "for ever") == []
