from __future__ import annotations

import pytest

from perijove.hub.core.names import validate_role_name
from perijove.hub.core.roles import (
    ADMIN_SCOPES,
    DEFAULT_ROLES,
    HolderKind,
    Role,
    Source,
    why_fixed,
    why_holders_fixed,
)
from perijove.hub.core.scopes import CATALOGUE, Holder, expand, parse_known
from perijove.wire.scopes import Scope


@pytest.mark.parametrize("name", ["user", "admin", "server", "token"])
def test_the_default_roles_exist_under_valid_names(name: str) -> None:
    assert DEFAULT_ROLES[validate_role_name(name)].name == name
    assert DEFAULT_ROLES[name].description


def test_there_are_no_other_default_roles() -> None:
    assert set(DEFAULT_ROLES) == {"user", "admin", "server", "token"}


@pytest.mark.parametrize("role", DEFAULT_ROLES.values(), ids=lambda role: role.name)
def test_every_scope_of_a_default_role_is_known(role: object) -> None:
    assert all(parse_known(text) for text in getattr(role, "scopes"))  # noqa: B009


def test_an_administrator_may_do_everything() -> None:
    held = expand(ADMIN_SCOPES, Holder(user="root"))
    assert {scope.base for scope in held} == set(CATALOGUE) - {"(no_scope)", "self", "inherit"}
    assert all(not scope.kind for scope in held)


def test_a_user_may_do_nothing_to_others() -> None:
    held = expand(DEFAULT_ROLES["user"].scopes, Holder(user="alice"))
    assert {(scope.kind, scope.value) for scope in held} == {("user", "alice")}


def test_a_server_may_report_activity_and_be_used_by_itself() -> None:
    assert expand(DEFAULT_ROLES["server"].scopes, Holder(user="alice", server="alice/")) == {
        Scope("users:activity", "user", "alice"),
        Scope("read:users:activity", "user", "alice"),
        Scope("access:servers", "server", "alice/"),
    }


def test_a_token_inherits_unless_something_else_was_asked_for() -> None:
    assert DEFAULT_ROLES["token"].scopes == ("inherit",)


@pytest.mark.parametrize(
    ("role", "source", "fixed"),
    [
        (DEFAULT_ROLES["user"], Source.HUB, True),
        (Role("ops", ()), Source.CONFIGURATION, True),
        (Role("staff", (), managed=True), Source.AUTHENTICATOR, True),
        (Role("tutor", (), custom=True), Source.ADMINISTRATORS, False),
    ],
)
def test_people_change_their_own_roles_only(role: Role, source: Source, fixed: bool) -> None:
    assert role.source is source
    assert bool(why_fixed(role)) is fixed


def test_who_holds_a_role_is_said_by_people_unless_somebody_else_says_it() -> None:
    kinds: tuple[HolderKind, ...] = ("user", "group", "service")

    def open_to(role: Role, *listed: HolderKind) -> list[HolderKind]:
        return [kind for kind in kinds if not why_holders_fixed(role, kind, listed)]

    assert open_to(Role("tutor", (), custom=True)) == ["user", "group", "service"]
    assert open_to(Role("ops", ()), "user") == ["group", "service"]
    assert open_to(DEFAULT_ROLES["admin"]) == ["user", "group"]
    assert open_to(Role("staff", (), managed=True)) == open_to(DEFAULT_ROLES["token"]) == []
