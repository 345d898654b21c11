from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal, Target, needed_scope
from perijove.wire.scopes import Scope, parse_scope


def holding(*scopes: str) -> Principal:
    return Principal("user", "alice", frozenset(map(parse_scope, scopes)), user_id=1)


@pytest.mark.parametrize(
    ("needed", "text"),
    [
        (needed_scope("s"), "s"),
        (needed_scope("s", user="a"), "s!user=a"),
        (needed_scope("s", user="a", server=""), "s!server=a/"),
        (needed_scope("s", user="a", server="lab"), "s!server=a/lab"),
        (needed_scope("s", service="cull"), "s!service=cull"),
        (needed_scope("s", group="staff"), "s!group=staff"),
    ],
)
def test_what_must_be_held_names_the_narrowest_filter(needed: Scope, text: str) -> None:
    assert str(needed) == text


@pytest.mark.parametrize(
    ("held", "everybody", "alice", "default", "lab", "bob", "cull"),
    [
        ("servers", True, True, True, True, True, True),
        ("servers!user=alice", False, True, True, True, False, False),
        ("servers!server=alice/", False, False, True, False, False, False),
        ("servers!server=alice/lab", False, False, False, True, False, False),
        ("servers!service=cull", False, False, False, False, False, True),
        ("servers!group=g", False, False, False, False, False, False),
        ("tokens", False, False, False, False, False, False),
    ],
)
def test_a_principal_may_do_what_its_scopes_cover(
    held: str, everybody: bool, alice: bool, default: bool, lab: bool, bob: bool, cull: bool
) -> None:
    principal = holding(held)
    assert principal.may("servers") is everybody
    assert principal.may("servers", user="alice") is alice
    assert principal.may("servers", user="alice", server="") is default
    assert principal.may("servers", user="alice", server="lab") is lab
    assert principal.may("servers", user="bob") is bob
    assert principal.may("servers", service="cull") is cull


def test_without_scopes_nothing_is_allowed() -> None:
    nobody = Principal("service", "cull", frozenset(), service_id=1, admin=True)
    assert not nobody.may("servers")
    assert not nobody.may("read:users", user="alice")


def test_a_filter_without_a_user_reaches_no_server() -> None:
    assert not Principal("user", "alice", frozenset({Scope("servers", "user")})).may("servers", server="")


def test_any_of_several_scopes_is_enough() -> None:
    holding("read:users:name!user=alice").require("read:users", "read:users:name", user="alice")
    holding("read:hub").require("read:hub")
    holding("servers!user=alice").require("servers", user="alice", server="lab")
    holding("read:services!service=cull").require("read:services", service="cull")


@pytest.mark.parametrize(
    ("held", "user", "service", "code"),
    [
        ("servers!user=alice", "bob", "", Code.NOT_FOUND),
        ("servers!server=alice/", "bob", "", Code.NOT_FOUND),
        ("servers!service=a", "", "b", Code.NOT_FOUND),
        ("servers!group=g", "bob", "", Code.NOT_FOUND),
        ("tokens", "bob", "", Code.FORBIDDEN),
        ("tokens", "", "b", Code.FORBIDDEN),
        ("servers!user=alice", "", "", Code.FORBIDDEN),
        ("tokens", "", "", Code.FORBIDDEN),
    ],
)
def test_a_limited_scope_hides_what_lies_outside_and_no_scope_forbids(
    held: str, user: str, service: str, code: Code
) -> None:
    with pytest.raises(PerijoveError) as caught:
        holding(held).require("servers", user=user, service=service)
    assert caught.value.code is code


def test_a_refusal_says_what_would_have_been_enough() -> None:
    with pytest.raises(PerijoveError, match=r"requires any of \[admin:users, users\]"):
        holding().require("admin:users", "users")


def test_not_found_does_not_say_whether_it_exists() -> None:
    with pytest.raises(PerijoveError) as caught:
        holding("users!user=alice").require("users", user="bob")
    assert "bob" not in caught.value.message


MEMBER = Target("bob", ("staff",))


def test_a_filter_by_group_reaches_its_members_their_servers_and_the_group() -> None:
    principal = holding("servers!group=staff", "groups!group=staff")
    assert principal.may("servers", user=MEMBER)
    assert principal.may("servers", user=MEMBER, server="lab")
    assert principal.may("groups", group="staff")
    principal.require("servers", user=MEMBER, server="")
    assert not principal.may("servers", user=Target("bob", ("others",)))
    assert not principal.may("servers", user="bob")
    assert not principal.may("servers")
    assert not principal.may("groups", group="others")
    assert not principal.may("groups")


def test_a_filter_by_group_hides_who_is_not_in_it() -> None:
    for named in ({"user": Target("eve")}, {"group": "others"}, {"user": Target("eve"), "server": "lab"}):
        with pytest.raises(PerijoveError, match="No access to resources") as caught:
            holding("servers!group=staff").require("servers", **named)
        assert caught.value.code is Code.NOT_FOUND


def test_a_scope_for_some_is_enough_to_ask_at_all() -> None:
    principal = holding("servers!group=staff")
    principal.require_some("tokens", "servers")
    assert principal.may_some("servers", "tokens")
    assert not principal.may_some("tokens")
    with pytest.raises(PerijoveError, match=r"requires any of \[tokens, read:tokens\]"):
        principal.require_some("tokens", "read:tokens")


@pytest.mark.parametrize(
    ("held", "limits"),
    [
        (["list:users"], None),
        (["list:users", "list:users!user=a"], None),
        (["list:users!user=a", "list:users!user=b"], {"user": {"a", "b"}, "group": set()}),
        (["list:users!group=g", "list:users!user=a"], {"user": {"a"}, "group": {"g"}}),
        (["list:users!group=g", "list:users!server=a/"], {"user": set(), "group": {"g"}}),
    ],
)
def test_a_list_is_limited_to_what_is_held(held: list[str], limits: object) -> None:
    assert holding(*held).limits("list:users", "user", "group") == limits


@pytest.mark.parametrize("held", [[], ["list:users!server=a/"], ["list:users!service=s"], ["read:users"]])
def test_a_filter_that_a_list_does_not_know_gives_none_of_it(held: list[str]) -> None:
    with pytest.raises(PerijoveError, match=r"requires any of \[list:users\]") as caught:
        holding(*held).limits("list:users", "user", "group")
    assert caught.value.code is Code.FORBIDDEN


def test_ghsa_69wv_an_administrators_scope_for_a_group_is_none_for_others() -> None:
    """GHSA-69wv-m5fw-2fhp: scopes such as admin:users!group= were taken for scopes without a filter."""
    for base in ("admin:users", "admin:groups", "admin:servers", "admin:services", "admin:auth_state"):
        limited = holding(f"{base}!group=staff")
        assert not limited.may(base)
        assert not limited.may(base, user=Target("eve", ("others",)))
        assert not limited.may(base, group="others")
        assert not limited.may(base, service="cull")
        assert limited.may(base, user=MEMBER)
