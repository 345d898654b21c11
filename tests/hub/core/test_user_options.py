from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.user_options import (
    BYTES_MARK,
    MAX_DEPTH,
    MAX_LENGTH,
    as_fields,
    from_query,
    passthrough,
    readable,
    simple,
    stored,
    with_nonce,
)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return {"a": value}


def test_a_form_as_it_came() -> None:
    form = {"image": ["a"], "many": ["1", "2"]}
    assert passthrough(form) == form
    assert passthrough(form) is not form


def test_a_form_made_simple() -> None:
    form = {"image": ["a"], "gpu": ["on"], "many": ["1", "2"], "none": []}
    assert simple(form) == {"image": "a", "gpu": True, "many": ["1", "2"], "none": []}


@pytest.mark.parametrize(
    ("pairs", "options"),
    [
        ([], {}),
        ([("next", "/x"), ("display_name", "Lab"), ("_xsrf", "t")], {}),
        ([("image", "a"), ("image", "b"), ("next", "/x")], {"image": ["a", "b"]}),
        ([("opt-image", "a"), ("utm_source", "mail")], {"image": ["a"]}),
        ([("opt-next", "a")], {"next": ["a"]}),
    ],
)
def test_options_in_an_address(pairs: list[tuple[str, str]], options: dict[str, list[str]]) -> None:
    assert from_query(pairs) == options


def test_a_prefix_without_a_name_is_refused() -> None:
    with pytest.raises(PerijoveError, match="name must follow"):
        from_query([("opt-", "x")])


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "text",
        {1: "x"},
        {"a": {1: "x"}},
        {"a": object()},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": "nul\0"},
        {"nul\0": "a"},
        {"a": "\ud800"},
        {"\udfff": "a"},
        {"a": {1, 2}},
        {"a": "x" * MAX_LENGTH},
        {"a_file": [{"body": b"x" * MAX_LENGTH}]},
        nested(MAX_DEPTH + 1),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hx46_options_that_cannot_be_kept_are_refused(wrong: Any) -> None:
    with pytest.raises(PerijoveError) as refused:
        stored(wrong)
    assert refused.value.code is Code.INVALID
    assert len(refused.value.message) < 300


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), values, max_size=4))
def test_what_is_stored_is_read_again_as_it_was(options: dict[str, Any]) -> None:
    kept = json.loads(json.dumps(stored(options)))
    assert readable(kept) == options
    assert stored(kept) == kept


def test_what_only_looks_like_bytes_stays_as_it_is() -> None:
    for odd in ({BYTES_MARK: True}, {BYTES_MARK: True, "data": 5}, {BYTES_MARK: True, "data": "a"}, {BYTES_MARK: 1}):
        assert readable({"x": odd}) == {"x": odd}


def test_what_a_form_can_show_again() -> None:
    options = {
        "image": "a",
        "gpu": True,
        "off": False,
        "cpus": 2,
        "share": 0.5,
        "many": ["1", "2"],
        "none": [],
        "more": {"a": 1},
        "files": [{"filename": "x"}],
        "nothing": None,
    }
    assert as_fields(options) == {
        "image": ["a"],
        "gpu": ["on"],
        "cpus": ["2"],
        "share": ["0.5"],
        "many": ["1", "2"],
        "none": [],
    }


@pytest.mark.parametrize(
    ("html", "marked"),
    [
        ("<p>script</p>", "<p>script</p>"),
        ("<script>a()</script>", '<script nonce="n1">a()</script>'),
        ('<STYLE media="x">b</STYLE>', '<STYLE nonce="n1" media="x">b</STYLE>'),
        ('<script type="module" nonce="other">', '<script type="module" nonce="other">'),
        ("<scripted>", "<scripted>"),
    ],
)
def test_code_in_a_form_gets_what_lets_it_work(html: str, marked: str) -> None:
    assert with_nonce(html, "n1") == marked
    assert with_nonce(html, "") == html
