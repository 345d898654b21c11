"""The languages of the pages: which there are, which one a visitor gets, and the catalogues with their texts.

Texts are written in English in templates and code; the catalogues under ``locale/`` hold the others. ``make
translations`` brings the catalogues up to date with the texts, and a test fails if one is behind.
"""

from __future__ import annotations

import gettext
from functools import lru_cache
from pathlib import Path
from typing import Final

LOCALE_FOLDER: Final = Path(__file__).parents[1] / "locale"
DOMAIN: Final = "perijove"
SOURCE: Final = "en"
LANGUAGES: Final = {SOURCE: "English", "de": "Deutsch", "fr": "Français"}
"""Every language by its tag, with the name that it has in itself."""

MAX_WISHES: Final = 20
"""How many of the languages that a browser wishes for are looked at."""

MAX_HEADER: Final = 500


def choose(chosen: str, wishes: str) -> str:
    """Return the tag of the language for a visitor.

    Args:
        chosen: the tag that they chose here, if they did.
        wishes: the ``Accept-Language`` header of their browser (RFC 9110, 12.5.4).
    """
    if chosen in LANGUAGES:
        return chosen
    ranked = sorted(_ranked(wishes), key=lambda wish: -wish[1])
    known = (tag.partition("-")[0] for tag, weight in ranked if weight > 0)
    return next((tag for tag in known if tag in LANGUAGES), SOURCE)


def _ranked(wishes: str) -> list[tuple[str, float]]:
    found = []
    for wish in wishes[:MAX_HEADER].split(",")[:MAX_WISHES]:
        tag, _, weight = wish.strip().lower().partition(";")
        number = weight.strip().removeprefix("q=")
        try:
            found.append((tag.strip(), float(number) if number else 1.0))
        except ValueError:
            continue
    return found


class _Catalogue(gettext.GNUTranslations):
    """A catalogue in which the empty text is just that, and not the catalogue's own head."""

    def gettext(self, message: str) -> str:
        return super().gettext(message) if message else ""


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> gettext.NullTranslations:
    """Return what translates into *language*, one of `LANGUAGES`; English texts stay as they are."""
    if language == SOURCE:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, str(LOCALE_FOLDER), [language], class_=_Catalogue)
