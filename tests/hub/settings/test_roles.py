from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.roles import ADMIN_SCOPES
from perijove.hub.core.scopes import BUILT_IN, Catalogue, Definition
from perijove.hub.settings.roles import RoleSpec, parse_roles


def test_a_role_is_understood() -> None:
    role = {
        "name": "ops",
        "description": "Runs",
        "scopes": ["list:users"],
        "users": ["Anna"],
        "services": ["ops"],
        "groups": ["Staff"],
    }
    parsed = parse_roles([role, {"name": "user", "scopes": ["self", "read:users!group=x"]}], ["ops"])
    assert parsed.mistakes == ()
    assert parsed.roles == (
        RoleSpec("ops", "Runs", ("list:users",), ("anna",), ("ops",), ("Staff",)),
        RoleSpec("user", scopes=("self", "read:users!group=x")),
    )


def test_nobody_is_something_else_than_not_saying_who() -> None:
    nobody, unsaid = parse_roles([{"name": "ops", "users": [], "services": ()}, {"name": "dev"}], []).roles
    assert (nobody.users, nobody.services) == ((), ())
    assert (unsaid.users, unsaid.services) == (None, None)


def test_scopes_left_out_stay_as_they_are() -> None:
    (role,) = parse_roles([{"name": "admin", "users": {"anna"}}], []).roles
    assert role.scopes is None
    assert role.users == ("anna",)


def test_the_role_admin_may_be_repeated_but_not_changed() -> None:
    assert parse_roles([{"name": "admin", "scopes": list(ADMIN_SCOPES)}], []).mistakes == ()
    (text,) = parse_roles([{"name": "admin", "scopes": ["self"]}], []).mistakes
    assert "cannot be changed" in text


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("ops", "a role is a dictionary"),
        ({}, "it has no name"),
        ({"name": 3}, "name must be a text"),
        ({"name": "X"}, "Invalid role name"),
        ({"name": "ops", "scope": []}, "there is no key 'scope'; did you mean scopes?"),
        ({"name": "ops", "groups": "staff"}, "groups must be a list of texts"),
        ({"name": "ops", "groups": [" staff"]}, "Invalid group name"),
        ({"name": "ops", "managed_by_auth": True}, "managed_by_auth is set by the hub"),
        ({"name": "ops", "description": 3}, "description must be a text"),
        ({"name": "ops", "scopes": "self"}, "scopes must be a list of texts"),
        ({"name": "ops", "scopes": [3]}, "3 is none"),
        ({"name": "ops", "scopes": ["read:usrs"]}, "there is no scope 'read:usrs'; did you mean read:users?"),
        ({"name": "ops", "scopes": ["read:users!foo=1"]}, "unknown filter"),
        ({"name": "ops", "scopes": ["custom:x"]}, "there is no scope 'custom:x' in c.JupyterHub.custom_scopes"),
        ({"name": "ops", "scopes": ["self!user=anna"]}, "takes no filter"),
        ({"name": "ops", "users": ["a/b"]}, "Invalid user name"),
        (
            {"name": "ops", "services": ["grafna"]},
            "no service 'grafna' in c.JupyterHub.services; did you mean grafana?",
        ),
    ],
)
def test_a_wrong_role_is_told(item: Any, why: str) -> None:
    (text,) = parse_roles([item], ["grafana"]).mistakes
    assert text.startswith("c.JupyterHub.load_roles[0]")
    assert why in text


def test_two_roles_of_one_name_are_a_mistake() -> None:
    (text,) = parse_roles([{"name": "ops"}, {"name": "ops"}], []).mistakes
    assert "another role of that name" in text


def test_a_role_may_hold_custom_scopes() -> None:
    catalogue = Catalogue({**BUILT_IN.definitions, "custom:files": Definition("Files.")})
    role = {"name": "ops", "scopes": ["custom:files!group=staff"]}
    assert parse_roles([role], [], catalogue).mistakes == ()
    assert parse_roles([role], []).mistakes


def test_extra_scopes_join_those_of_the_role_user() -> None:
    parsed = parse_roles([{"name": "user", "users": ["anna"]}], [], BUILT_IN, {"read:hub", "access:services"})
    assert (parsed.mistakes, parsed.extra_mistakes) == ((), ())
    assert parsed.roles == (RoleSpec("user", scopes=("self", "access:services", "read:hub"), users=("anna",)),)
    (alone,) = parse_roles([], [], BUILT_IN, ["access:services"]).roles
    assert alone == RoleSpec("user", scopes=("self", "access:services"))
    assert parse_roles([], []).roles == ()


def test_extra_scopes_beside_scopes_of_the_role_user_are_a_mistake() -> None:
    parsed = parse_roles([{"name": "user", "scopes": ["self"]}], [], BUILT_IN, ["access:services"])
    (text,) = parsed.extra_mistakes
    assert text.startswith("c.JupyterHub.extra_user_scopes: c.JupyterHub.load_roles says")


def test_an_unknown_extra_scope_is_told() -> None:
    (text,) = parse_roles([], [], BUILT_IN, ["acess:services"]).extra_mistakes
    assert "no scope 'acess:services'; did you mean access:services?" in text


def test_what_an_authenticator_says_has_the_same_form() -> None:
    parsed = parse_roles([{"name": "ops", "managed_by_auth": True}, {"name": 1}], (), option="X", managed=True)
    assert parsed.roles[0].name == "ops"
    assert parsed.mistakes == ("X[1]: name must be a text, not int",)
