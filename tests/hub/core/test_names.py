from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import (
    MAX_NAME_LENGTH,
    normalize_group_name,
    normalize_user_name,
    shorten,
    validate_role_name,
    validate_server_name,
    validate_service_name,
)
from perijove.wire.prefixes import server_prefix, service_prefix

Browser = Callable[[str, str, str], tuple[str, str]]

# Letters whose case or composition is odd: dotted I, sharp s, sigmas, long s, Kelvin, H T J and the accents they take.
ODD = "\u0130\u00df\u03a3\u03c3\u03c2\u017f\u212aHTJ\u0331\u030c\u0308\u0307\u00e9"
TEXT = st.text(max_size=12) | st.text(st.sampled_from(ODD + "aA./\\%2e \t-~@"), max_size=8)


def normalised(name: str) -> str | None:
    try:
        return normalize_user_name(name)
    except PerijoveError as error:
        assert error.code is Code.INVALID
        return None


@given(TEXT)
@example("İ")
@example("H\u0331")
@example("ΑΣ")
def test_normalising_twice_changes_nothing_more(name: str) -> None:
    once = normalised(name)
    if once is not None:
        assert normalize_user_name(once) == once
        assert unicodedata.is_normalized("NFC", once)
        assert once == once.lower()


@given(TEXT)
@example("..")
@example("%2e%2e")
@example("a/../b")
def test_ghsa_93gc_h923_mp36_an_accepted_name_survives_its_url(browser: Browser, name: str) -> None:
    user = normalised(name)
    if user is not None:
        prefix = server_prefix("/jupyter/", user, "lab")
        assert browser(prefix, "https://hub.example", "/") == ("https://hub.example", prefix)
        assert unquote(prefix.removeprefix("/jupyter/user/").removesuffix("/lab/")) == user


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (["alice", "Alice", "ALICE"], "alice"),
        (["é", "É", "e\u0301", "E\u0301"], "é"),
        (["\u1e96", "h\u0331", "H\u0331"], "\u1e96"),
        (["\u01f0", "j\u030c", "J\u030c"], "\u01f0"),
        (["k", "K", "\u212a"], "k"),
        (["å", "Å", "\u212b", "A\u030a"], "å"),
    ],
)
def test_ghsa_5xvc_vgmp_jgc3_all_spellings_of_a_name_are_one_account(names: list[str], one: str) -> None:
    assert {normalize_user_name(name) for name in names} == {one}


@pytest.mark.parametrize(
    "name", ["a", "a.b", "a b", "a@b.org", "a~b", "a%2fb", "a+b", "...", "李", "o'neil", "-", "a" * 255]
)
def test_names_that_people_have_are_accepted(name: str) -> None:
    assert normalize_user_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        " a",
        "a ",
        "\u3000a",
        "a/b",
        "/",
        "a\\b",
        "a\nb",
        "a\x00",
        "a\x7f",
        "a\u200b",
        "a\u202eb",
        "\ud800",
    ],
)
def test_names_that_a_url_or_a_log_cannot_carry_are_refused(name: str) -> None:
    with pytest.raises(PerijoveError, match="Invalid user name") as caught:
        normalize_user_name(name)
    assert caught.value.code is Code.INVALID


def test_the_length_is_bounded_before_and_after_normalising() -> None:
    assert len(normalize_user_name("a" * MAX_NAME_LENGTH)) == MAX_NAME_LENGTH
    with pytest.raises(PerijoveError, match="longer than 255"):
        normalize_user_name("a" * (MAX_NAME_LENGTH + 1))
    with pytest.raises(PerijoveError, match="Invalid user name"):
        normalize_user_name("İ" * MAX_NAME_LENGTH)  # its lower-case form is two characters


@given(st.text(max_size=200), st.integers(1, 100))
def test_what_goes_to_a_log_is_printable_and_short(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert short.isprintable()
    assert len(short) <= limit
    if len(text) <= limit:
        assert len(short) == len(text)
    else:
        assert short.endswith("…")


def test_shortening_keeps_what_can_be_kept() -> None:
    assert shorten("a\nb\x1b[31m") == "a?b?[31m"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"
    assert len(shorten("x" * 500)) == 80


@pytest.mark.parametrize("name", ["", "a", "lab", "a-b", "a1", "a" * 30, "a" + "-b" * 14])
def test_server_names_that_fit_are_accepted(name: str) -> None:
    assert validate_server_name(name) == name


@pytest.mark.parametrize(
    "name", ["A", "1", "-", "-a", "a-", "a--b", "a_b", "a.b", "a/b", "..", "a b", "é", "a\n", "a" * 31, "aK"]
)
def test_other_server_names_are_refused(name: str) -> None:
    with pytest.raises(PerijoveError, match="Invalid server name") as caught:
        validate_server_name(name)
    assert caught.value.code is Code.INVALID


@pytest.mark.parametrize("name", ["a", "1", "Cull", "a.b", "a_b", "a~b", "a..b", "a" * 255])
def test_service_names_that_fit_are_accepted(name: str) -> None:
    assert validate_service_name(name) == name


@given(st.from_regex(r"(?a)[\w.~-]{1,8}", fullmatch=True) | st.text(max_size=4))
def test_an_accepted_service_name_needs_no_escaping(browser: Browser, name: str) -> None:
    try:
        prefix = service_prefix("/", validate_service_name(name))
    except PerijoveError:
        return
    assert prefix == f"/services/{name}/"
    assert browser(prefix, "https://hub.example", "/")[1] == prefix


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/", "-a", "a-", "a b", "é", "\u017f", "\u212a", "\u0131", "a\n", "a" * 256]
)
def test_other_service_names_are_refused(name: str) -> None:
    with pytest.raises(PerijoveError, match="Invalid service name"):
        validate_service_name(name)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("Staff", "Staff"), ("/ou/staff", "/ou/staff"), ("a b", "a b"), ("e\u0301cole", "école"), ("x" * 255, "x" * 255)],
)
def test_a_group_is_kept_under_one_spelling(name: str, kept: str) -> None:
    assert normalize_group_name(name) == kept
    assert normalize_group_name(kept) == kept


@pytest.mark.parametrize("name", ["", " ", "a ", " a", ".", "..", "a\n", "a\0b", "\udc00", "\u202e", "x" * 256])
def test_other_group_names_are_refused(name: str) -> None:
    with pytest.raises(PerijoveError, match="Invalid group name"):
        normalize_group_name(name)


@pytest.mark.parametrize("name", ["abc", "user", "class-b", "a_~.9", "a" * 255])
def test_role_names_that_fit_are_accepted(name: str) -> None:
    assert validate_role_name(name) == name


@pytest.mark.parametrize("name", ["", "a", "ab", "1ab", "Abc", "ab-", "a b", "aéb", "abc\n", "a" * 256])
def test_other_role_names_are_refused(name: str) -> None:
    with pytest.raises(PerijoveError, match="Invalid role name"):
        validate_role_name(name)


@pytest.mark.parametrize(
    "check",
    [normalize_user_name, normalize_group_name, validate_server_name, validate_service_name, validate_role_name],
)
def test_a_refusal_quotes_only_a_little_and_only_what_is_printable(check: Callable[[str], str]) -> None:
    with pytest.raises(PerijoveError) as caught:
        check("\x1b[31m\n" + "x" * 200)
    assert len(caught.value.message) < 250
    assert caught.value.message.isprintable()
