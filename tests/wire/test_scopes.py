from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.scopes import (
    FILTER_KINDS,
    SELF_FILTER_KINDS,
    Scope,
    ScopeSyntaxError,
    check_scopes,
    parse_scope,
)

USERS = st.sampled_from(["alice", "bob", "a!b", "a=b"])
SCOPES = st.one_of(
    st.builds(Scope, st.sampled_from(["servers", "read:users"])),
    st.builds(Scope, st.just("servers"), st.sampled_from(["user", "group", "service"]), USERS),
    st.builds(lambda user, name: Scope("servers", "server", f"{user}/{name}"), USERS, st.sampled_from(["", "lab"])),
    st.builds(Scope, st.just("servers"), st.sampled_from(sorted(SELF_FILTER_KINDS))),
)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("read:users", Scope("read:users")),
        ("read:users!user=alice", Scope("read:users", "user", "alice")),
        ("read:users!group=g", Scope("read:users", "group", "g")),
        ("access:services!service=s", Scope("access:services", "service", "s")),
        ("access:servers!server=alice/", Scope("access:servers", "server", "alice/")),
        ("access:servers!server=alice/lab", Scope("access:servers", "server", "alice/lab")),
        ("access:servers!server", Scope("access:servers", "server")),
        ("read:users!user=a!b=c", Scope("read:users", "user", "a!b=c")),
    ],
)
def test_a_scope_is_taken_apart_and_put_together_again(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope
    assert str(scope) == text


@given(SCOPES)
def test_what_is_written_is_read_back(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope


@pytest.mark.parametrize("text", ["", "!", "!user", "!user=a", "read:users!"])
def test_what_has_no_permission_or_an_empty_filter_is_no_scope(text: str) -> None:
    with pytest.raises(ScopeSyntaxError, match="not a scope"):
        parse_scope(text)


@pytest.mark.parametrize(
    "text", ["s!owner=a", "s!user=", "s!group=", "s!server=", "s!group", "s!=a", "s!User=a", "s! user=a", "s!users"]
)
def test_an_unknown_filter_or_one_without_its_value_is_refused(text: str) -> None:
    with pytest.raises(ScopeSyntaxError, match="unknown filter"):
        parse_scope(text)


@pytest.mark.parametrize("text", ["!" + "x" * 10_000, "s!" + "x" * 10_000])
def test_an_error_quotes_only_the_beginning_of_what_it_refuses(text: str) -> None:
    with pytest.raises(ScopeSyntaxError) as caught:
        parse_scope(text)
    assert len(str(caught.value)) < 200


@given(st.text(st.sampled_from("sa!=/:") | st.sampled_from(sorted("user")), max_size=12))
def test_any_text_is_a_scope_that_writes_itself_or_an_error(text: str) -> None:
    try:
        scope = parse_scope(text)
    except ScopeSyntaxError:
        return
    assert str(scope) == text
    assert scope.kind in FILTER_KINDS | {""}


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("s!user=alice", "alice"),
        ("s!server=alice/lab", "alice"),
        ("s!server=alice/", "alice"),
        ("s!group=g", ""),
        ("s", ""),
    ],
)
def test_the_owner_is_whom_a_scope_is_limited_to(text: str, owner: str) -> None:
    assert parse_scope(text).owner == owner


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [
        ("s", "s", True),
        ("s", "s!user=a", True),
        ("s", "s!server=a/", True),
        ("s", "s!group=g", True),
        ("s!user=a", "s", False),
        ("s!user=a", "s!user=a", True),
        ("s!user=a", "s!user=b", False),
        ("s!user=a", "s!server=a/", True),
        ("s!user=a", "s!server=a/lab", True),
        ("s!user=a", "s!server=ab/", False),
        ("s!user=a", "s!group=a", False),
        ("s!server=a/", "s!user=a", False),
        ("s!server=a/", "s!server=a/", True),
        ("s!server=a/", "s!server=a/lab", False),
        ("s!server=a/lab", "s!server=a/", False),
        ("s!group=g", "s!group=g", True),
        ("s!group=a", "s!user=a", False),
        ("s!service=a", "s!user=a", False),
        ("s", "t", False),
        ("s!user=a", "t!user=a", False),
        ("s!user", "s!server", False),
        ("s!user", "s!server=a/", False),
    ],
)
def test_a_scope_covers_what_is_as_narrow_or_narrower(held: str, needed: str, enough: bool) -> None:
    assert parse_scope(held).covers(parse_scope(needed)) is enough


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [
        ("s!group=g", "s!user=a", True),
        ("s!group=g", "s!server=a/", True),
        ("s!group=g", "s!server=a/lab", True),
        ("s!group=h", "s!user=a", False),
        ("s!group=g", "s", False),
        ("s!group=g", "s!group=h", False),
        ("s!group=g", "s!service=a", False),
        ("s!group=g", "s!user", False),
        ("t!group=g", "s!user=a", False),
        ("s!user=b", "s!user=a", False),
        ("s!server=a/", "s!user=a", False),
    ],
)
def test_a_filter_by_group_reaches_its_members_and_their_servers(held: str, needed: str, enough: bool) -> None:
    assert parse_scope(held).covers(parse_scope(needed), groups=("f", "g")) is enough


def test_an_unresolved_self_filter_covers_no_server_without_an_owner() -> None:
    assert not Scope("servers", "user").covers(Scope("servers", "server", "/"))


@given(SCOPES, SCOPES, SCOPES)
def test_covering_is_an_order(one: Scope, two: Scope, three: Scope) -> None:
    assert one.covers(one)
    if one.covers(two) and two.covers(three):
        assert one.covers(three)
    if one.covers(two) and two.covers(one):
        assert one == two


def test_check_scopes_returns_the_held_scopes_that_give_access() -> None:
    required = ["access:servers!server=alice/", "access:servers!user=alice"]
    held = ["access:servers!user=alice", "access:servers!user=bob", "read:users!user=alice", "no scope!", "x!y=z"]
    assert check_scopes(required, held) == {"access:servers!user=alice"}
    assert check_scopes(required, ["access:servers"]) == {"access:servers"}
    assert check_scopes(required, ["access:servers!server=alice/lab"]) == set()
    assert check_scopes([], held) == set()
    assert check_scopes(required, []) == set()


def test_a_required_string_that_is_no_scope_is_an_error_of_the_caller() -> None:
    with pytest.raises(ScopeSyntaxError):
        check_scopes(["access:servers!"], ["access:servers"])
