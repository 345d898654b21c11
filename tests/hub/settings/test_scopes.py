from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.scopes import BUILT_IN, Holder, expand
from perijove.hub.settings.scopes import parse_custom_scopes, wrong_scope

READ = {"description": "Read files"}


def test_custom_scopes_join_the_hubs_own() -> None:
    parsed = parse_custom_scopes(
        {"custom:files:read": READ, "custom:files:*": {"description": "All", "subscopes": ["custom:files:read"]}}
    )
    assert parsed.mistakes == ()
    assert set(parsed.catalogue.definitions) == set(BUILT_IN.definitions) | {"custom:files:read", "custom:files:*"}
    held = expand(["custom:files:*!user"], Holder(user="ada"), parsed.catalogue)
    assert set(map(str, held)) == {"custom:files:*!user=ada", "custom:files:read!user=ada"}


def test_without_custom_scopes_there_are_the_hubs_own() -> None:
    assert parse_custom_scopes({}).catalogue == BUILT_IN


WRONG_NAMES = (
    *("files", "custom:", "custom:ab", "custom:-ab", "custom:ab-", "custom:ab:", "custom:Abc", "custom:a b"),
    *("custom:a!b", "Custom:abc", "custom:" + "a" * 300, 3),
)


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_wrong_name_is_told(name: Any) -> None:
    (text,) = parse_custom_scopes({name: READ}).mistakes
    assert text.startswith("c.JupyterHub.custom_scopes[")
    assert "a name is custom: and then" in text
    assert len(text) < 350


@pytest.mark.parametrize("name", ["custom:abc", "custom:a*b", "custom:a:b-c", "custom:0_*", "custom:a--b"])
def test_a_right_name_is_taken(name: str) -> None:
    assert name in parse_custom_scopes({name: READ}).catalogue


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("Read files", "a scope is a dictionary"),
        ({}, "it needs a description"),
        ({"description": " "}, "it needs a description"),
        ({"description": 3}, "it needs a description"),
        (READ | {"subscope": []}, "there is no key 'subscope'; did you mean subscopes?"),
        (READ | {"subscopes": "custom:abc"}, "subscopes must be a list of texts"),
        (READ | {"subscopes": [3]}, "subscopes must be a list of texts"),
        (READ | {"subscopes": ["read:users"]}, "'read:users' is no custom scope"),
        (READ | {"subscopes": ["custom:filez"]}, "there is no scope 'custom:filez'; did you mean custom:files?"),
        (READ | {"subscopes": ["custom:files"]}, "it contains itself"),
    ],
)
def test_a_wrong_definition_is_told(item: Any, why: str) -> None:
    parsed = parse_custom_scopes({"custom:files": item})
    assert parsed.catalogue == BUILT_IN
    (text,) = parsed.mistakes
    assert text.startswith("c.JupyterHub.custom_scopes['custom:files']: ")
    assert why in text


def test_a_circle_is_told_of_all_in_it() -> None:
    around = parse_custom_scopes(
        {
            "custom:one": READ | {"subscopes": ["custom:two"]},
            "custom:two": READ | {"subscopes": ["custom:one"]},
            "custom:three": READ | {"subscopes": ["custom:one"]},
        }
    )
    assert [text.split("'")[1] for text in around.mistakes] == ["custom:one", "custom:two"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("read:usrs", "there is no scope 'read:usrs'; did you mean read:users?"),
        ("read:users!foo=1", "unknown filter"),
        ("self!user=ada", "takes no filter"),
        ("custom:filez", "there is no scope 'custom:filez' in c.JupyterHub.custom_scopes; did you mean custom:files?"),
    ],
)
def test_what_is_no_scope_is_told_with_the_nearest_one(text: str, why: str) -> None:
    catalogue = parse_custom_scopes({"custom:files": READ}).catalogue
    (said,) = wrong_scope(text, catalogue)
    assert why in said
    assert not list(wrong_scope("custom:files!group=g", catalogue))
