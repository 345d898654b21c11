from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perijove.hub.web.languages import LANGUAGES, choose, texts

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("chosen", "wishes", "language"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("", "en;q=0.5, de-AT;q=0.7", "de"),
        ("", "ja,de;q=0", "en"),
        ("", "ja;q=1,fr;q=0.1", "fr"),
        ("", "de;q=rather,fr", "fr"),
        ("", "*", "en"),
        ("fr", "de", "fr"),
        ("tlh", "de", "de"),
    ],
)
def test_a_visitor_gets_what_they_chose_or_what_their_browser_wishes(chosen: str, wishes: str, language: str) -> None:
    assert choose(chosen, wishes) == language


def test_endless_wishes_are_not_read() -> None:
    assert choose("", "ja," * 21 + "de") == "en"
    assert choose("", "x" * 500 + ",de") == "en"


def test_every_language_has_its_texts() -> None:
    assert {language: texts(language).gettext("Running") for language in LANGUAGES} == {
        "en": "Running",
        "de": "Läuft",
        "fr": "En marche",
    }


def test_the_empty_text_is_empty_in_every_language() -> None:
    assert [texts(language).gettext("") for language in LANGUAGES] == [""] * len(LANGUAGES)


def test_the_catalogues_are_complete_and_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "translate"), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
