from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.auth_models import (
    INFO_FIELDS,
    MAX_AUTH_STATE,
    MAX_GROUPS,
    MAX_ROLES,
    checked_model,
    groups_of,
    info_of,
    roles_of,
    state_bytes,
)


def groups(model: dict[str, Any], *, managed: bool = True, required: bool = True) -> tuple[str, ...] | None:
    return groups_of({"name": "ada", **model}, "A.authenticate", managed=managed, required=required)


@pytest.mark.parametrize("answer", [None, "", {}, False])
def test_nobody(answer: Any) -> None:
    assert checked_model(answer, "x") is None


def test_a_model_is_taken_as_it_is() -> None:
    model: dict[str, Any] = {
        "name": "ada",
        "admin": None,
        "groups": {"a"},
        "roles": [],
        "auth_state": {},
        "user_info": None,
        "own": 1,
    }
    assert checked_model(model, "x") == model
    assert checked_model("ada", "x") == {"name": "ada"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (7, "gave a int"),
        ({"admin": True}, "gave no name"),
        ({"name": b"ada"}, "must be a text, not bytes"),
        ({"name": "a", "admin": "False"}, "gave 'admin' as str: it must be True, False or None"),
        ({"name": "a", "admin": 1}, "gave 'admin' as int"),
        ({"name": "a", "groups": "staff"}, "gave 'groups' as str: it must be a list of names"),
        ({"name": "a", "groups": {"staff": 1}}, "gave 'groups' as dict"),
        ({"name": "a", "roles": {"name": "x"}}, "gave 'roles' as dict"),
        ({"name": "a", "auth_state": "secret"}, "gave 'auth_state' as str: it must be a dictionary"),
        ({"name": "a", "user_info": ["ada"]}, "gave 'user_info' as list"),
    ],
)
def test_what_is_of_a_wrong_type_is_refused(answer: Any, why: str) -> None:
    with pytest.raises(TypeError) as caught:
        checked_model(answer, "A.authenticate")
    assert why in str(caught.value)
    assert str(caught.value).startswith("A.authenticate ")
    assert "secret" not in str(caught.value)


def test_groups_are_normalised_and_sorted_and_impossible_names_left_out() -> None:
    assert groups({"groups": ["b", "a", "b", "/x/y", "", " c", "d\n", "x" * 300, "e\u0301"]}) == (
        "/x/y",
        "a",
        "b",
        "\u00e9",
    )
    assert groups({"groups": []}) == ()
    assert groups({"groups": None}) is None
    assert groups({}, required=False) is None


@pytest.mark.parametrize(
    ("model", "managed", "error", "why"),
    [
        ({"groups": []}, False, TypeError, "set c.Authenticator.manage_groups = True"),
        ({}, True, TypeError, "gave no 'groups'"),
        ({"groups": ["a", 1]}, True, TypeError, "gave a group as int"),
        ({"groups": ["a"] * (MAX_GROUPS + 1)}, True, ValueError, "5001 groups"),
    ],
)
def test_wrong_groups(model: dict[str, Any], managed: bool, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        groups(model, managed=managed)


def test_roles() -> None:
    model = {"name": "ada", "roles": ["ops", {"name": "dev"}]}
    assert roles_of(model, "x", managed=True) == [{"name": "ops"}, {"name": "dev"}]
    assert roles_of({"name": "ada"}, "x", managed=True) is None
    assert roles_of({"name": "ada", "roles": None}, "x", managed=False) is None
    with pytest.raises(TypeError, match="manage_roles"):
        roles_of({"name": "ada", "roles": []}, "x", managed=False)
    with pytest.raises(ValueError, match="501 roles"):
        roles_of({"name": "ada", "roles": ["r"] * (MAX_ROLES + 1)}, "x", managed=True)


def test_information_is_bounded_and_nothing_else_gets_through() -> None:
    told = {
        "name": "Ada\n",
        "display_name": "x" * 5000,
        "initials": 7,
        "avatar_url": "javascript:alert(1)",
        "color": "",
        "email": "ada@example.org",
    }
    found = info_of({"user_info": told})
    assert found is not None
    assert set(found) == {"name", "display_name"}
    assert found["name"] == "Ada?"
    assert len(found["display_name"]) == 255
    assert info_of({"user_info": {}}) == {}
    assert info_of({}) is None


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/a.png?s=1", True),
        ("data:image/png;base64,AAAA", True),
        ("data:text/html,<b>", False),
        ("//example.org/a.png", False),
        ('https://example.org/"onload="x', False),
        ("https://example.org/" + "a" * 2048, False),
    ],
)
def test_only_pictures_are_shown_as_pictures(url: str, kept: bool) -> None:
    assert info_of({"user_info": {"avatar_url": url}}) == ({"avatar_url": url} if kept else {})


def test_all_fields_of_the_single_user_server_are_kept() -> None:
    told = dict.fromkeys(INFO_FIELDS, "https://example.org/")
    assert info_of({"user_info": told}) == told


def test_state_becomes_json() -> None:
    assert state_bytes({"token": "é"}) == b'{"token": "\\u00e9"}'


def deep() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"x": value}
    return value


def round_and_round() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"token": b"secret"}, TypeError),
        ({("secret",): 1}, TypeError),
        ("secret", TypeError),
        ({"secret": float("nan")}, ValueError),
        ({"secret": "x" * MAX_AUTH_STATE}, ValueError),
        (deep(), ValueError),
        (round_and_round(), ValueError),
    ],
)
def test_state_that_cannot_be_kept_is_refused_without_a_word_of_it(state: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        state_bytes(state)
    assert "secret" not in str(caught.value)
