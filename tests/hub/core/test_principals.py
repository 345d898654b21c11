from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal, needed_scope
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
