"""What holds for every page of the hub, whoever made its template."""

from __future__ import annotations

import re
from collections import Counter

from bs4 import BeautifulSoup

from perijove.hub.web.templating import STATIC_FOLDER

VOID = {"meta", "link", "input", "br", "hr", "img"}
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}"
"""A text that does harm where it is not escaped."""


MAX_WEIGHT = 100_000
"""Bytes that a page has at most, with its styles and scripts."""


def weight(text: str) -> int:
    """Return how many bytes the page in *text* has, with what it loads."""
    files: set[str] = {path.partition("?")[0] for path in re.findall(r'/hub/static/([^"]+)', text)}
    return len(text.encode()) + sum((STATIC_FOLDER / path).stat().st_size for path in files)


def check(text: str) -> BeautifulSoup:
    """Return the page in *text*, which keeps all rules."""
    assert weight(text) < MAX_WEIGHT, weight(text)
    page = BeautifulSoup(text, "html.parser")
    _nothing_runs_from_inside(page)
    _tags_are_closed(text)
    ids = Counter(tag["id"] for tag in page.select("[id]"))
    assert [name for name, count in ids.items() if count > 1] == []
    for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
        for tag in page.select(f"[{name}]"):
            assert set(str(tag.get(name)).split()) <= set(ids), f"{name}={tag.get(name)}"
    for field in page.select("input:not([type=hidden]), select, textarea, progress"):
        labels = " ".join(label.get_text(strip=True) for label in page.select(f'label[for="{field.get("id")}"]'))
        assert field.get("aria-label") or labels, field
    for form in page.select("form:not(.choices)"):
        tokens = len(form.select("input[name=_xsrf]"))
        assert tokens == (form["method"] == "post"), form["action"]
    assert len(page.select("h1")) == len(page.select("main")) == 1
    return page


def _nothing_runs_from_inside(page: BeautifulSoup) -> None:
    for script in page.select("script"):
        assert (script.get_text(), script["type"]) == ("", "module")
    assert page.select("style, iframe, object, base") == []
    for tag in page.find_all(True):
        assert [name for name in tag.attrs if name == "style" or name.startswith("on")] == [], tag
    for tag in page.select("[src], link[href]"):
        assert re.match(r"/[^/]", str(tag.get("src") or tag.get("href"))), tag


def _tags_are_closed(text: str) -> None:
    waiting: list[str] = []
    for closing, name, empty in re.findall(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*?(/?)>", text):
        if closing:
            assert waiting.pop() == name
        elif name not in VOID and not empty:
            waiting.append(name)
    assert waiting == []
