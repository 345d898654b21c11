from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.settings.groups import GroupSpec, parse_groups


def test_both_forms_are_understood() -> None:
    parsed = parse_groups(
        {
            "Staff": {"users": ["Ada", "ada", "bob"], "properties": {"floor": 2}},
            "/a/b": ["Eve"],
            "empty": {},
            "cleared": {"properties": {}},
        }
    )
    assert parsed.mistakes == ()
    assert parsed.groups == (
        GroupSpec("Staff", ("ada", "bob"), {"floor": 2}),
        GroupSpec("/a/b", ("eve",)),
        GroupSpec("empty"),
        GroupSpec("cleared", (), {}),
    )


@pytest.mark.parametrize(
    ("name", "given", "mistake"),
    [
        ("", [], "Invalid group name: ''"),
        (" a", [], "Invalid group name: ' a'"),
        ("x" * 256, [], "Invalid group name: longer than 255 characters"),
        (7, [], "a group's name must be a text, not int"),
        ("a", "ada", "users must be a list of texts, not 'ada'"),
        ("a", [1], "users must be a list of texts; 1 is none"),
        ("a", ["a/b"], "Invalid user name: 'a/b'"),
        ("a", {"user": []}, "there is no key 'user'; did you mean users?"),
        ("a", {"properties": []}, "properties must be a dictionary, not []"),
        ("a", {"properties": {"x": {1}}}, "properties must be such that JSON can hold them"),
        ("a", {"properties": {"x": float("nan")}}, "properties must be such that JSON can hold them"),
    ],
)
def test_mistakes_name_their_place(name: Any, given: Any, mistake: str) -> None:
    (told,) = parse_groups({name: given}).mistakes
    assert told.startswith("c.JupyterHub.load_groups[")
    assert mistake in told


def test_all_mistakes_are_told_at_once() -> None:
    assert len(parse_groups({"a": {"usres": [], "users": [1, "/"]}, "b": 3}).mistakes) == 4


def test_two_spellings_of_one_name_are_one_group() -> None:
    (told,) = parse_groups({"e\u0301": [], "\u00e9": []}).mistakes
    assert "there is another group of that name" in told
