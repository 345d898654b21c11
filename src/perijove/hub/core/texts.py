"""Texts that people are shown, in the language they read.

A text is English wherever it is logged, stored or sent to a program. A `Sentence` also remembers what it was made of,
so that a page can say it in another language; what is only English stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_DEPTH: Final = 3
"""How deep sentences may be made of others."""


def mark(text: str) -> str:
    """Return *text* as it is; it is translated where it is shown, and the catalogues are made from what is marked."""
    return text


class Sentence(str):
    """An English text made of a template and values; as any text it is just that text.

    Attributes:
        template: the text with ``{name}`` where values go: what the catalogues translate.
        values: what goes there; a value that is itself a sentence is translated too, another text is not.
    """

    template: str
    values: Mapping[str, str]

    def __new__(cls, template: str, values: Mapping[str, str] | None = None) -> Sentence:
        made = super().__new__(cls, template.format_map(values or {}))
        made.template, made.values = template, dict(values or {})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Sentence, (self.template, self.values)


def say(template: str, **values: object) -> Sentence:
    """Return the sentence that *template* makes of *values*; the catalogues are made from these templates."""
    return Sentence(template, {name: each if isinstance(each, str) else str(each) for name, each in values.items()})


def in_language(text: str, translate: Callable[[str], str]) -> str:
    """Return *text* as *translate*, which looks texts up in a catalogue, has it; as it is where that has nothing."""
    if not isinstance(text, Sentence):
        return translate(text)
    found = translate(text.template)
    if found == text.template:
        return text
    try:
        return found.format_map({name: _value(each, translate) for name, each in text.values.items()})
    except (LookupError, ValueError, AttributeError):
        # It was stored by another version, which made it of other values.
        return text


def _value(value: str, translate: Callable[[str], str]) -> str:
    return in_language(value, translate) if isinstance(value, Sentence) else value


def shortened(text: str, limit: int) -> str:
    """Return *text*, cut after *limit* characters."""
    return text if len(text) <= limit else text[:limit]


def parts_of(text: str) -> dict[str, Any] | None:
    """Return what *text* was made of, fit for JSON; None if it was not made of anything."""
    if not isinstance(text, Sentence):
        return None
    return {"template": text.template, "values": {name: parts_of(each) or each for name, each in text.values.items()}}


def put_together(text: str, parts: Any) -> str:
    """Return *text* as the sentence that *parts* say it was made of; as it is if they do not fit."""
    made = _sentence(parts, 0)
    return made if made is not None and made == text else text


def _sentence(parts: Any, depth: int) -> Sentence | None:
    match parts:
        case {"template": str(template), "values": dict(given)} if depth < MAX_DEPTH:
            values = {
                name: each if isinstance(each, str) else _sentence(each, depth + 1) for name, each in given.items()
            }
        case _:
            return None
    known = {name: each for name, each in values.items() if each is not None}
    try:
        return Sentence(template, known)
    except (LookupError, ValueError, AttributeError):
        return None
