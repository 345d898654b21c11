"""What is wrong with a configuration, one line each, and the nearest right name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import shorten
from perijove.hub.settings.secrets import masked

VALUE_LIMIT = 80


class Mistake(Struct, frozen=True):
    """One thing that keeps the hub from starting.

    Attributes:
        text: one sentence, naming the option.
        place: the file and line, or ``command line``; empty if it has none.
    """

    text: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class ConfigurationError(Exception):
    """The configuration cannot be used; *mistakes* says why, completely."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(in_order(mistakes))
        super().__init__("; ".join(map(str, self.mistakes)))


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Return *mistakes* without repetitions, file by file in the order of the lines."""

    def key(mistake: Mistake) -> tuple[str, int]:
        file, _, line = mistake.place.rpartition(":")
        return (file, int(line)) if line.isdecimal() else (mistake.place, 0)

    return sorted(dict.fromkeys(mistakes), key=key)


def nearest(wrong: str, right: Iterable[str]) -> str | None:
    """Return the name in *right* that *wrong* was probably meant to be, or None."""
    by_fold = {name.casefold(): name for name in right}
    folded = wrong.casefold()

    def likeness(name: str) -> float:
        # Two letters that changed places are the commonest slip; the first letter is rarely wrong.
        bonus = 0.1 * (sorted(name) == sorted(folded)) + 0.05 * (name[:1] == folded[:1])
        return difflib.SequenceMatcher(None, folded, name).ratio() + bonus

    found = difflib.get_close_matches(folded, by_fold, n=5, cutoff=0.6)
    return by_fold[max(found, key=likeness)] if found else None


def did_you_mean(wrong: str, right: Iterable[str], prefix: str = "") -> str:
    """Return ``; did you mean X?``, or nothing if no name comes near."""
    name = nearest(wrong, right)
    return f"; did you mean {prefix}{name}?" if name else ""


def shown(value: Any, option: str = "") -> str:
    """Return *value* as it may stand in a message: short, and without secrets."""
    return shorten(repr(masked(value, option)), VALUE_LIMIT)


def refusals(check: Callable[[str], Any], text: str) -> Iterable[str]:
    """Yield the message of the PerijoveError that *check* raises for *text*, if it does."""
    try:
        check(text)
    except PerijoveError as error:
        yield error.message


def wrong_texts(item: Mapping[str, Any], key: str, check: Callable[[str], Iterable[str]]) -> Iterable[str]:
    """Yield what is wrong with the list of texts under *key*, if there is one; *check* says it of a single text."""
    value = item.get(key)
    if value is None:
        return
    if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple, set, frozenset)):
        yield f"{key} must be a list of texts, not {shown(value)}"
        return
    for text in value:
        if isinstance(text, str):
            yield from check(text)
        else:
            yield f"{key} must be a list of texts; {shown(text)} is none"
