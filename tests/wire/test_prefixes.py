from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.prefixes import (
    escape_name,
    hub_prefix,
    normalize_base_url,
    server_prefix,
    service_prefix,
    user_prefix,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
BASES = st.text(st.sampled_from("ab/-"), max_size=8)


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [("", "/"), ("/", "/"), ("//", "/"), ("a", "/a/"), ("/a", "/a/"), ("a/b", "/a/b/"), ("//a/b//", "/a/b/")],
)
def test_a_base_url_gets_one_slash_at_both_ends(given_url: str, expected: str) -> None:
    assert normalize_base_url(given_url) == expected


@given(BASES)
def test_normalising_a_base_url_twice_changes_nothing_more(base_url: str) -> None:
    once = normalize_base_url(base_url)
    assert normalize_base_url(once) == once
    assert once.startswith("/")
    assert once.endswith("/")


@given(NAMES)
def test_an_escaped_name_is_one_segment_and_can_be_read_back(name: str) -> None:
    escaped = escape_name(name)
    assert unquote(escaped) == name
    assert escaped.isascii()
    assert not set(escaped) & set("/\\?#;&= \t\r\n")


@pytest.mark.parametrize(
    ("name", "escaped"),
    [("alice", "alice"), ("a@b.org", "a@b.org"), ("a~b", "a~b"), ("a b", "a%20b"), ("a/b", "a%2Fb"), ("é", "%C3%A9")],
)
def test_names_are_escaped_as_clients_expect(name: str, escaped: str) -> None:
    assert escape_name(name) == escaped


@pytest.mark.parametrize("name", ["../admin", "a/b", "%2e%2e", "a?b", "a#b", "\\\\evil", "a%2fb", "a;b", "a\nb"])
def test_ghsa_93gc_h923_mp36_a_name_cannot_leave_its_prefix(name: str) -> None:
    prefix = user_prefix("/", name)
    assert prefix.startswith("/user/")
    assert prefix.count("/") == 3
    assert unquote(prefix.split("/")[2]) == name


@pytest.mark.parametrize("base_url", ["/jupyter/", "jupyter", "/jupyter"])
def test_prefixes_lie_under_the_base_url(base_url: str) -> None:
    assert hub_prefix(base_url) == "/jupyter/hub/"
    assert user_prefix(base_url, "a b") == "/jupyter/user/a%20b/"
    assert server_prefix(base_url, "a b") == "/jupyter/user/a%20b/"
    assert server_prefix(base_url, "a b", "lab") == "/jupyter/user/a%20b/lab/"
    assert service_prefix(base_url, "cull") == "/jupyter/services/cull/"


@given(BASES, st.tuples(NAMES, st.just("") | NAMES), st.tuples(NAMES, st.just("") | NAMES))
def test_two_servers_never_share_a_prefix(base_url: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (server_prefix(base_url, *one) == server_prefix(base_url, *other)) == (one == other)
