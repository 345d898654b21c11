"""How soon pages are painted is measured of every page that there is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOR_OPERATORS = "message.html"
"""A frame for pages of an operator's own templates; the hub shows none."""
FRAME = "admin/frame.html"


def test_every_page_is_measured(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(checkout / "bench")
    measured = {page.template for page in importlib.import_module("browser_pages").PAGES}
    folder = checkout / "src" / "perijove" / "hub" / "web" / "templates"
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if "{% extends" in path.read_text()}
    assert measured == pages - {FRAME, FOR_OPERATORS} | {""}
