from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys

import pytest

from perijove.singleuser.quick_imports import hidden, import_if_there, no_programs

SCRIPT = """
import sys
from perijove.singleuser.quick_imports import import_quickly
path = __import__("os").environ["PATH"]
import_quickly()
assert "jsonschema" in sys.modules and "jupyterlab.labapp" in sys.modules
for name in ("rfc3987_syntax", "lark", "isoduration", "rich", "httpx._main"):
    assert name not in sys.modules, name
assert __import__("os").environ["PATH"] == path
import isoduration, httpx, jsonschema
jsonschema.validate("2026-05-04T12:00:00Z", {"format": "date-time"}, format_checker=jsonschema.FormatChecker())
httpx.Client().close()
"""


def test_hidden_is_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with hidden("colorsys", "os"):
        with pytest.raises(ImportError):
            importlib.import_module("colorsys")
        assert importlib.import_module("os") is os
    assert importlib.import_module("colorsys")
    assert sys.modules["os"] is os


def test_no_programs() -> None:
    before = os.environ["PATH"]
    with no_programs():
        assert shutil.which("sh") is None
    assert os.environ["PATH"] == before
    assert shutil.which("sh")


def test_no_programs_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    with no_programs():
        assert shutil.which("sh") is None
    assert "PATH" not in os.environ


def test_missing_module_is_no_error() -> None:
    import_if_there("perijove_has_no_such_module")


def test_nothing_useless_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
