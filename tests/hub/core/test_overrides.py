from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.overrides import merged, parse_overrides


@pytest.mark.parametrize(
    ("base", "changes", "result"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None, "c": None}, {}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": None, "z": {"q": 3}}}, {"a": {"y": 2, "z": {"q": 3}}}),
        ({"a": 1}, {"a": {"x": 1, "y": None}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_dictionaries_are_merged_at_every_depth(base: Any, changes: Any, result: Any) -> None:
    assert merged(base, changes) == result


def test_nothing_that_went_in_is_changed() -> None:
    base, changes = {"a": {"x": 1}}, {"a": {"y": {"z": 1}}}
    merged(base, changes)["a"]["y"]["z"] = 2
    assert (base, changes) == ({"a": {"x": 1}}, {"a": {"y": {"z": 1}}})


def test_overrides_come_in_the_order_of_their_keys() -> None:
    value = {key: {"groups": [key], "spawner_override": {"cmd": [key]}} for key in ("b", "a", "10", "9")}
    found = parse_overrides(value)
    assert [override.key for override in found] == ["10", "9", "a", "b"]
    assert found[2].meets({"x", "a"})
    assert not found[2].meets({"b"})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "must be a dictionary, not list"),
        ({"a": 1}, "group_overrides['a'] must be"),
        ({"a": {"groups": []}}, "group_overrides['a'] must be"),
        ({"a": {"groups": [], "spawner_overrides": {}}}, "group_overrides['a'] must be"),
        ({"a": {"groups": "staff", "spawner_override": {}}}, "groups must be a list of names"),
        ({"a": {"groups": [1], "spawner_override": {}}}, "groups must be a list of names"),
        ({"a": {"groups": [], "spawner_override": []}}, "spawner_override must be a dictionary"),
        ({"a": {"groups": [], "spawner_override": {1: 2}}}, "spawner_override must be a dictionary"),
    ],
)
def test_mistakes(value: Any, why: str) -> None:
    with pytest.raises(PerijoveError) as caught:
        parse_overrides(value)
    assert why in caught.value.message


def test_all_mistakes_are_told() -> None:
    with pytest.raises(PerijoveError) as caught:
        parse_overrides({"a": 1, "b": {"groups": 1, "spawner_override": 1}})
    assert caught.value.message.count(";") == 2
