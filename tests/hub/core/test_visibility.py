from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal, Target
from perijove.hub.core.scopes import CATALOGUE, Holder, expand
from perijove.hub.core.visibility import (
    GROUP_FIELDS,
    READ_USER,
    SERVICE_FIELDS,
    USER_FIELDS,
    Fields,
    fields_of_users,
    group_fields,
    require_user,
    sees_a_server,
    sees_server_state,
    service_fields,
    user_fields,
)


def holding(*raw: str) -> Principal:
    return Principal("user", "alice", expand(raw, Holder(user="alice")))


def seen(*raw: str, of: str = "alice") -> frozenset[str]:
    return user_fields(holding(*raw), Target(of))


@pytest.mark.parametrize("table", [USER_FIELDS, GROUP_FIELDS, SERVICE_FIELDS])
def test_every_scope_that_shows_fields_is_known_and_shows_whose_they_are(table: Fields) -> None:
    assert set(table) <= set(CATALOGUE)
    assert all({"kind", "name"} <= set(fields) for fields in table.values())


@pytest.mark.parametrize("scope", USER_FIELDS)
@pytest.mark.parametrize("limit", ["", "!user=alice"])
def test_a_scope_shows_its_fields(scope: str, limit: str) -> None:
    assert seen(scope + limit) >= set(USER_FIELDS[scope])


@pytest.mark.parametrize("raw", ["self", "read:users!user", "admin:users!group=g", "tokens", "read:users!server=bob/"])
def test_nothing_of_others_is_seen_without_a_scope_for_them(raw: str) -> None:
    assert seen(raw, of="bob") == frozenset()


def test_the_name_alone_can_be_shown() -> None:
    assert seen("list:users") == {"kind", "name", "admin", "user_info"}
    assert seen("read:users:activity", of="bob") == {"kind", "name", "last_activity"}


def test_what_authentication_keeps_is_for_administrators_only() -> None:
    assert "auth_state" not in seen("self", "users", "admin:servers")
    assert "auth_state" in seen("admin:users")


def test_members_of_a_group_are_seen_with_a_filter_by_group() -> None:
    principal = holding("read:users:activity!group=staff")
    assert user_fields(principal, Target("bob", ("staff",))) == {"kind", "name", "last_activity"}
    assert user_fields(principal, Target("eve", ("others",))) == frozenset()


def test_whoever_may_read_one_server_sees_its_owner_with_that_server() -> None:
    principal = holding("read:servers!server=bob/lab")
    assert user_fields(principal, Target("bob")) == {"kind", "name", "servers"}
    assert user_fields(principal, Target("bobby")) == frozenset()
    require_user(principal, Target("bob"))
    assert sees_a_server(principal, Target("bob"))
    assert not sees_a_server(holding("access:servers!server=bob/lab"), Target("bob"))


@pytest.mark.parametrize("scope", READ_USER)
def test_any_scope_to_read_lets_one_read(scope: str) -> None:
    require_user(holding(f"{scope}!user=bob"), Target("bob"))
    with pytest.raises(PerijoveError) as caught:
        require_user(holding(f"{scope}!user=bob"), Target("eve"))
    assert caught.value.code is Code.NOT_FOUND


def test_who_may_read_nobody_is_told_so() -> None:
    with pytest.raises(PerijoveError, match="requires any of") as caught:
        require_user(holding("tokens"), Target("bob"))
    assert caught.value.code is Code.FORBIDDEN


def test_fields_of_groups_and_services_go_by_scope() -> None:
    assert group_fields(holding("read:groups:name!group=g"), "g") == {"kind", "name"}
    assert group_fields(holding("groups"), "g") == {"kind", "name", "users", "properties"}
    assert group_fields(holding("read:groups!group=g"), "h") == frozenset()
    assert "roles" in group_fields(holding("admin:groups"), "g")
    assert service_fields(holding("read:services:name"), "s") == {"kind", "name", "admin"}
    assert service_fields(holding("read:services!service=s"), "t") == frozenset()
    assert service_fields(holding("admin:services"), "s") == set(SERVICE_FIELDS["read:services"]) | {"roles"}


def test_what_a_spawner_keeps_has_a_scope_of_its_own() -> None:
    assert sees_server_state(holding("admin:server_state!server=bob/lab"), Target("bob"), "lab")
    assert not sees_server_state(holding("admin:server_state!server=bob/lab"), Target("bob"), "")
    assert not sees_server_state(holding("servers"), Target("bob"), "lab")


@pytest.mark.parametrize(
    "raw", [("read:users",), ("read:users!user=ada",), ("read:servers!server=ada/", "read:users:name"), ()]
)
def test_the_fields_of_many_users_are_those_of_each(raw: tuple[str, ...]) -> None:
    principal = holding(*raw)
    people = [Target("ada"), Target("bob"), Target("ada")]

    assert fields_of_users(principal, people) == [user_fields(principal, person) for person in people]
