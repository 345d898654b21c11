from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.client.oauth import (
    MAX_STATE_BYTES,
    SignIn,
    attempt_of,
    authorize_url,
    begin_sign_in,
    key_of,
    pkce_challenge,
    pkce_verifier,
    safe_next,
    surplus,
)

PREFIX = "/user/alice/"


def test_challenge_of_rfc_7636_appendix_b() -> None:
    challenge = pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_authorize_url() -> None:
    url = authorize_url("/hub/a", client_id="c d", redirect_uri="/user/a/cb", state="s", verifier="v" * 43)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith("/hub/a?")
    assert query == {
        "client_id": "c d",
        "redirect_uri": "/user/a/cb",
        "response_type": "code",
        "state": "s",
        "code_challenge": pkce_challenge("v" * 43),
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("target", [PREFIX, f"{PREFIX}lab", f"{PREFIX}lab/tree/a%20b..c?x=//y&z=..#frag"])
def test_next_inside(target: str) -> None:
    assert safe_next(target, PREFIX) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/user/alice",
        "/user/alicex/",
        "/user/bob/lab",
        "//evil.example/user/alice/",
        "https://evil.example/user/alice/",
        "javascript:alert(1)",
        "\\\\evil.example",
        f"{PREFIX}../bob/",
        f"{PREFIX}%2e%2E/bob/",
        f"{PREFIX}./x/..",
        f"{PREFIX}..\\bob",
        f"{PREFIX}\t../bob",
        f"{PREFIX}x\r\nSet-Cookie: a=b",
        f" {PREFIX}",
        PREFIX + "x" * 5000,
    ],
)
def test_next_outside(target: str) -> None:
    assert safe_next(target, PREFIX) == PREFIX


def test_next_when_the_prefix_is_everything() -> None:
    assert safe_next("//evil.example/", "/") == "/"
    assert safe_next("/lab", "/") == "/lab"


@given(st.text())
def test_next_never_leaves_the_prefix(text: str) -> None:
    for target in (text, PREFIX + text):
        assert safe_next(target, PREFIX).startswith(PREFIX)


def test_sign_ins_do_not_undo_one_another() -> None:
    one, two = begin_sign_in("/a"), begin_sign_in("/b", attempt=2)
    assert one.state != two.state and one.key != two.key and one.key == key_of(one.state)
    assert SignIn.unpacked(two.packed()) == two
    assert SignIn.unpacked("") == SignIn("", "")
    assert one.state not in repr(one)


def test_verifier_follows_from_the_state_for_whoever_has_the_key() -> None:
    verifier = pkce_verifier(b"k", "state")
    assert verifier == pkce_verifier(b"k", "state")
    assert 43 <= len(verifier) <= 128, "RFC 7636 section 4.1"
    assert len({verifier, pkce_verifier(b"x", "state"), pkce_verifier(b"k", "other")}) == 3


def test_cookies_of_sign_ins_stay_few_enough_for_a_request() -> None:
    tabs = [(f"p-{number}", "x" * 500) for number in range(10)]
    gone = surplus([("other", "x" * 9000), *tabs], "p-")
    assert gone == [name for name, _ in tabs[: len(gone)]], "the oldest go first"
    assert sum(len(name) + len(value) for name, value in tabs[len(gone) :]) <= MAX_STATE_BYTES
    assert surplus(tabs[:5], "p-") == []


@pytest.mark.parametrize(
    ("state", "attempt"), [("abc.3", 3), ("abc", 1), ("", 1), ("abc.0", 1), ("a.99999", 1), ("a.²", 1)]
)
def test_attempt_survives_in_the_state(state: str, attempt: int) -> None:
    assert attempt_of(state) == attempt
    assert attempt_of(begin_sign_in("/", attempt=2).state) == 2
