from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.texts import Sentence, in_language, mark, parts_of, put_together, say, shortened

GERMAN = {
    "It ended: {why}.": "Ende, weil {why}.",
    "the disk {disk} is full": "die Platte {disk} voll ist",
    "Hello": "Hallo",
    "{count} of {all}": "{count} von {total}",
}
FULL = say("It ended: {why}.", why=say("the disk {disk} is full", disk="Hello"))


def german(text: str) -> str:
    return GERMAN.get(text, text)


def test_what_is_marked_stays_as_it_is() -> None:
    assert mark("Hello") == "Hello"


def test_a_sentence_is_an_english_text() -> None:
    assert FULL == "It ended: the disk Hello is full."
    assert isinstance(FULL, str)
    assert say("{n} things", n=3) == "3 things"


def test_it_is_said_in_another_language_with_the_sentences_in_it_but_not_with_other_values() -> None:
    assert in_language(FULL, german) == "Ende, weil die Platte Hello voll ist."
    assert in_language("Hello", german) == "Hallo"
    assert in_language(say("Never translated: {why}", why=FULL), german) == f"Never translated: {FULL}"


def test_values_that_another_version_used_leave_it_english() -> None:
    assert in_language(say("{count} of {all}", count=1, all=2), german) == "1 of 2"


def test_what_looks_like_a_place_in_a_value_is_none() -> None:
    text = say("the disk {disk} is full", disk="{why} {0} {")
    assert in_language(text, german) == "die Platte {why} {0} { voll ist"


@pytest.mark.parametrize("again", [copy.deepcopy, lambda text: pickle.loads(pickle.dumps(text))])
def test_a_copy_is_a_sentence_too(again: Any) -> None:
    assert in_language(again(FULL), german) == in_language(FULL, german)


def test_it_comes_back_from_where_it_was_stored() -> None:
    stored = json.loads(json.dumps(parts_of(FULL)))
    assert in_language(put_together(str(FULL), stored), german) == "Ende, weil die Platte Hello voll ist."
    assert parts_of("plain") is None
    assert put_together("plain", None) == "plain"


@pytest.mark.parametrize(
    "parts",
    [
        None,
        [],
        {"template": 3, "values": {}},
        {"template": "{a}", "values": []},
        {"template": "{a}", "values": {}},
        {"template": "{", "values": {}},
        {"template": "{a.b}", "values": {"a": "c"}},
        {"template": "{a}", "values": {"a": 3}},
        {"template": "another text", "values": {}},
    ],
)
def test_what_does_not_make_the_stored_text_is_not_believed(parts: Any) -> None:
    assert not isinstance(put_together("The text.", parts), Sentence)
    assert put_together("The text.", parts) == "The text."


def test_nobody_makes_it_dig_for_ever() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = {"template": "{a}", "values": {"a": deep}}
    assert not isinstance(put_together("x", deep), Sentence)


@given(st.text(), st.text())
def test_any_value_comes_back(first: str, second: str) -> None:
    text = say("It ended: {why}.", why=say("the disk {disk} is full", disk=first + second))
    assert parts_of(put_together(str(text), parts_of(text))) == parts_of(text)


def test_what_is_too_long_is_cut_and_then_only_a_text() -> None:
    assert shortened(FULL, 100) is FULL
    assert shortened(FULL, 8) == "It ended"
