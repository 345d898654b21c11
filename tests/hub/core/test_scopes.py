from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.scopes import (
    BUILT_IN,
    CATALOGUE,
    IDENTIFY_SCOPES,
    METASCOPES,
    SELF_SCOPES,
    Catalogue,
    Definition,
    Holder,
    Memberships,
    beyond,
    expand,
    holds,
    holds_any,
    intersect,
    parse_known,
    reduce,
    token_scopes,
    undecided,
)
from perijove.wire.scopes import Scope, parse_scope

ALICE = Holder(user="alice", server="alice/lab")
# A part of the catalogue in which one scope contains another, so that filters meet.
BASES = st.sampled_from(["servers", "read:servers", "access:servers", "read:users:name", "list:users", "users"])
USERS = st.sampled_from(["alice", "bob"])
SCOPES = st.one_of(
    st.builds(Scope, BASES),
    st.builds(Scope, BASES, st.sampled_from(["user", "group"]), USERS),
    st.builds(
        lambda base, user, name: Scope(base, "server", f"{user}/{name}"), BASES, USERS, st.sampled_from(["", "lab"])
    ),
)
SETS = st.frozensets(SCOPES, max_size=8)
RAW = st.lists(
    st.sampled_from(sorted(CATALOGUE))
    | SCOPES.map(str)
    | st.sampled_from(["read:users!user", "access:servers!server", "access:services!service"]),
    max_size=6,
)


def texts(scopes: Iterable[Scope]) -> set[str]:
    return set(map(str, scopes))


def scopes(*written: str) -> frozenset[Scope]:
    return frozenset(map(parse_scope, written))


# -- the catalogue


def test_every_contained_scope_is_in_the_catalogue() -> None:
    assert {name for row in CATALOGUE.values() for name in row.contains} <= set(CATALOGUE)
    assert set(SELF_SCOPES) | set(IDENTIFY_SCOPES) | METASCOPES <= set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_scope_contains_itself_and_each_says_what_it_allows(name: str) -> None:
    waiting, below = list(CATALOGUE[name].contains), set[str]()
    while waiting:
        below.add(current := waiting.pop())
        waiting += set(CATALOGUE[current].contains) - below
    assert name not in below
    assert re.fullmatch(r"[A-Z].*\.", CATALOGUE[name].description)


@pytest.mark.parametrize(
    ("name", "contained"),
    [
        ("admin:users", {"admin:auth_state", "users", "read:roles:users", "delete:users"}),
        ("users", {"read:users", "list:users", "users:activity"}),
        ("admin:servers", {"admin:server_state", "servers"}),
        ("servers", {"read:servers", "start:servers", "delete:servers"}),
        ("read:servers", {"read:users:name"}),
        ("tokens", {"read:tokens"}),
        ("admin:groups", {"groups", "read:roles:groups", "delete:groups"}),
        ("admin:services", {"list:services", "read:services", "read:roles:services"}),
        ("shares", {"access:servers", "read:shares", "users:shares", "groups:shares"}),
        ("access:servers", set()),
        ("list:users", {"read:users:name"}),
    ],
)
def test_the_catalogue_is_that_of_jupyterhub(name: str, contained: set[str]) -> None:
    assert set(CATALOGUE[name].contains) == contained


# -- reading


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_name_of_the_catalogue_can_be_read(name: str) -> None:
    assert parse_known(name) == Scope(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a scope"),
        ("servers!", "not a scope"),
        ("servers!owner=a", "unknown filter"),
        ("server", "no scope 'server'"),
        ("Servers", "no scope"),
        ("servers ", "no scope"),
        ("self!user=bob", "takes no filter"),
        ("inherit!user", "takes no filter"),
        ("(no_scope)!server", "takes no filter"),
    ],
)
def test_what_is_no_scope_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(PerijoveError, match=message) as caught:
        parse_known(text)
    assert caught.value.code is Code.INVALID
    with pytest.raises(PerijoveError):
        expand(["servers", text], ALICE)


@pytest.mark.parametrize("text", ["x" * 10_000, "x!" + "y" * 10_000])
def test_a_refusal_quotes_only_the_beginning(text: str) -> None:
    with pytest.raises(PerijoveError) as caught:
        parse_known(text)
    assert len(caught.value.message) < 200


# -- expansion


@pytest.mark.parametrize(
    ("raw", "expanded"),
    [
        ("servers", {"servers", "read:servers", "start:servers", "delete:servers", "read:users:name"}),
        ("list:users!user=bob", {"list:users!user=bob", "read:users:name!user=bob"}),
        ("read:groups!group=g", {"read:groups!group=g", "read:groups:name!group=g"}),
        ("tokens!user", {"tokens!user=alice", "read:tokens!user=alice"}),
        ("access:servers!server", {"access:servers!server=alice/lab"}),
        ("access:servers!server=bob/", {"access:servers!server=bob/"}),
        # a limit to one server, or to a group for that matter, is kept on what is contained
        ("read:servers!group=g", {"read:servers!group=g", "read:users:name!group=g"}),
        # … but a server's filter says nothing about its owner
        ("servers!server=a/b", {f"{verb}servers!server=a/b" for verb in ("", "read:", "start:", "delete:")}),
        ("read:users!server=a/b", set()),
        ("users:activity!server=a/b", {"users:activity!server=a/b"}),
        ("access:services!service", set()),
        ("inherit", set()),
        ("(no_scope)", set()),
    ],
)
def test_a_scope_is_expanded_with_its_filter(raw: str, expanded: set[str]) -> None:
    assert texts(expand([raw], ALICE)) == expanded


def test_self_is_everything_of_ones_own_and_nothing_of_others() -> None:
    own = expand(["self"], ALICE)
    assert {(scope.kind, scope.value) for scope in own} == {("user", "alice")}
    assert own >= {Scope(base, "user", "alice") for base in SELF_SCOPES}
    assert own == expand([f"{base}!user=alice" for base in SELF_SCOPES], Holder())


@pytest.mark.parametrize("raw", ["self", "read:users!user", "access:servers!server"])
def test_what_cannot_be_resolved_gives_nothing(raw: str) -> None:
    assert expand([raw], Holder(service="cull")) == frozenset()


def test_a_service_filter_is_resolved_for_a_service() -> None:
    assert texts(expand(["access:services!service"], Holder(service="cull"))) == {"access:services!service=cull"}


@given(RAW)
def test_expanding_what_is_expanded_changes_nothing(raw: list[str]) -> None:
    once = expand(raw, ALICE)
    assert expand(texts(once), Holder()) == once


@given(RAW, RAW)
def test_asking_for_more_never_gives_less(raw: list[str], more: list[str]) -> None:
    some, all_of_it = expand(raw, ALICE), expand([*raw, *more], ALICE)
    assert all(holds(all_of_it, scope) for scope in some)
    assert all(holds(expand(raw, ALICE), scope) or holds(expand(more, ALICE), scope) for scope in all_of_it)


@given(RAW)
def test_no_self_filter_or_metascope_survives_expansion(raw: list[str]) -> None:
    assert all((scope.value or not scope.kind) and scope.base not in METASCOPES for scope in expand(raw, ALICE))


# -- reduction and intersection


@given(SETS, SCOPES)
def test_reducing_is_idempotent_and_loses_no_permission(held: frozenset[Scope], needed: Scope) -> None:
    once = reduce(held)
    assert reduce(once) == once
    assert once <= held
    assert holds(once, needed) == holds(held, needed)


def test_an_unlimited_scope_swallows_its_limited_forms() -> None:
    held = scopes("servers", "servers!user=a", "servers!server=a/", "tokens!user=a")
    assert texts(reduce(held)) == {"servers", "tokens!user=a"}


@given(SETS, SETS, SCOPES)
def test_an_intersection_allows_exactly_what_both_sides_allow(
    left: frozenset[Scope], right: frozenset[Scope], needed: Scope
) -> None:
    assert holds(intersect(left, right), needed) == (holds(left, needed) and holds(right, needed))


MEMBERS = Memberships({"alice": ("bob",), "bob": ("alice", "bob")})
"""Who is in which group; the groups are called like the users, because `SCOPES` names no others."""


@given(SETS, SETS, SCOPES)
def test_with_memberships_an_intersection_allows_exactly_what_both_sides_allow(
    left: frozenset[Scope], right: frozenset[Scope], needed: Scope
) -> None:
    groups = MEMBERS.of(needed)
    both = holds(left, needed, groups) and holds(right, needed, groups)
    allowed = holds(intersect(left, right, MEMBERS), needed, groups)
    assert both or not allowed
    by_different_groups = any(
        one.base == other.base == needed.base and one.kind == other.kind == "group" for one in left for other in right
    )
    assert allowed == both or by_different_groups


@given(SETS, SETS)
def test_only_the_groups_of_undecided_users_matter(left: frozenset[Scope], right: frozenset[Scope]) -> None:
    names = undecided(left, right)
    assert names == undecided(right, left)
    some = Memberships({name: MEMBERS.groups[name] for name in names})
    assert intersect(left, right, some) == intersect(left, right, MEMBERS)


@pytest.mark.parametrize(
    ("left", "right", "names"),
    [
        ("s!group=g", "s!user=a", {"a"}),
        ("s!server=a/x", "s!group=g", {"a"}),
        ("s!group=g", "t!user=a", set()),
        ("s!group=g", "s!group=h", set()),
        ("s!user=b", "s!user=a", set()),
        ("s!group=g", "s", set()),
        ("s!group=g", "s!service=a", set()),
    ],
)
def test_groups_need_be_known_only_where_they_meet_users(left: str, right: str, names: set[str]) -> None:
    assert undecided(scopes(left), scopes(right)) == names


def test_a_group_and_its_member_have_the_member_in_common() -> None:
    members = Memberships({"a": ("g",), "b": ()})
    held = scopes("s!group=g")
    asked = scopes("s!user=a", "s!server=a/x", "s!user=b", "s!server=b/")
    assert texts(intersect(held, asked, members)) == {"s!user=a", "s!server=a/x"}
    assert texts(intersect(held, asked)) == set()


def test_what_is_beyond_somebodys_rights_is_named_in_order() -> None:
    members = Memberships({"a": ("g",)})
    asked = scopes("s!user=a", "t", "s!user=b", "s")
    assert [str(scope) for scope in beyond(asked, scopes("s!group=g"), members)] == ["s", "s!user=b", "t"]
    assert beyond(asked, scopes("s", "t")) == ()


@given(SETS.map(reduce), SETS.map(reduce), SETS.map(reduce))
def test_intersections_follow_the_laws_of_sets(a: frozenset[Scope], b: frozenset[Scope], c: frozenset[Scope]) -> None:
    assert intersect(a, b) == intersect(b, a)
    assert intersect(a, a) == a
    assert intersect(a, frozenset()) == frozenset()
    assert intersect(intersect(a, b), b) == intersect(a, b)
    assert intersect(intersect(a, b), c) == intersect(a, intersect(b, c))


@given(SETS, SETS)
def test_an_intersection_is_narrower_than_either_side(left: frozenset[Scope], right: frozenset[Scope]) -> None:
    both = intersect(left, right)
    assert both <= left | right
    assert all(holds(left, scope) and holds(right, scope) for scope in both)


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ("s", "s!user=a", "s!user=a"),
        ("s!user=a", "s!server=a/", "s!server=a/"),
        ("s!user=a", "s!server=b/", ""),
        ("s!user=a", "s!user=b", ""),
        ("s!server=a/", "s!server=a/x", ""),
        ("s!group=g", "s!group=g", "s!group=g"),
        ("s!group=g", "s!user=a", ""),
        ("s!group=g", "s", "s!group=g"),
        ("s", "t", ""),
    ],
)
def test_of_two_scopes_that_overlap_the_narrower_is_kept(left: str, right: str, both: str) -> None:
    assert texts(intersect(scopes(left), scopes(right))) == ({both} if both else set())


# -- custom scopes

CUSTOM = Catalogue(
    {
        **BUILT_IN.definitions,
        "custom:files": Definition("Files.", ("custom:files:read",)),
        "custom:files:read": Definition("Files, to read."),
    }
)


def test_a_custom_scope_is_expanded_like_any_other() -> None:
    assert texts(expand(["custom:files!server"], ALICE, CUSTOM)) == {
        "custom:files!server=alice/lab",
        "custom:files:read!server=alice/lab",
    }
    assert "custom:files" in CUSTOM
    with pytest.raises(PerijoveError, match="no scope 'custom:files'"):
        expand(["custom:files"], ALICE)


def test_what_the_configuration_no_longer_knows_gives_nothing() -> None:
    stored = ("custom:files", "list:users", "gone", "self!user=bob", "x!")
    assert CUSTOM.known(stored) == ("custom:files", "list:users")
    assert BUILT_IN.known(stored) == ("list:users",)
    owner = expand(["list:users"], ALICE)
    assert token_scopes(stored, owner, ALICE) == owner


# -- tokens


def test_a_token_tells_who_its_owner_is() -> None:
    owner = expand(["self"], ALICE)
    assert texts(token_scopes(["tokens!user"], owner, ALICE)) == {
        "tokens!user=alice",
        "read:tokens!user=alice",
        "read:users:name!user=alice",
        "read:users:groups!user=alice",
    }
    service = expand(["list:services"], Holder(service="cull"))
    assert texts(token_scopes([], service, Holder(service="cull"))) == {"read:services:name!service=cull"}
    assert token_scopes([], frozenset(), ALICE) == frozenset()


def test_a_token_for_a_member_is_within_its_owners_scope_for_the_group() -> None:
    owner = expand(["read:users!group=staff"], ALICE)
    members = Memberships({"bob": ("staff",)})
    held = token_scopes(["read:users:name!user=bob", "read:users:name!user=eve"], owner, ALICE, members)
    assert texts(held) == {"read:users:name!user=bob"}


@given(RAW, RAW)
def test_a_token_never_allows_more_than_its_owner(raw: list[str], owner_raw: list[str]) -> None:
    owner = expand(owner_raw, ALICE)
    allowed = token_scopes(raw, owner, ALICE)
    assert all(holds(owner, scope) for scope in allowed)
    if "inherit" not in raw:
        asked = expand([*raw, *(f"{base}!user" for base in IDENTIFY_SCOPES)], ALICE)
        assert all(holds(asked, scope) for scope in allowed)


def test_a_token_that_inherits_allows_what_its_owner_may() -> None:
    owner = expand(["self"], ALICE)
    assert token_scopes(iter(["inherit"]), owner, ALICE) == owner
    assert token_scopes(["read:hub", "inherit"], owner, ALICE) == owner


def test_a_token_of_a_server_is_limited_to_that_server() -> None:
    owner = expand(["self"], ALICE)
    assert texts(token_scopes(["access:servers!server", "admin:users"], owner, ALICE)) == {
        "access:servers!server=alice/lab",
        *texts(expand(["read:users!user", "users:activity!user"], ALICE) & owner),
    }


# -- questions


def test_holding_a_scope_for_somebody_tells_403_from_404() -> None:
    held = scopes("servers!user=alice")
    assert holds(held, Scope("servers", "server", "alice/lab"))
    assert not holds(held, Scope("servers", "user", "bob"))
    assert holds_any(held, "servers")
    assert not holds_any(held, "tokens")
    assert not holds_any(frozenset(), "servers")
