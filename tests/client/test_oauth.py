from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.client.oauth import PendingSignIns, attempt_of, authorize_url, pkce_challenge, safe_next

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


def test_sign_in_is_good_for_one_use() -> None:
    table = PendingSignIns("cookie")
    one, two = table.begin("/a", 0), table.begin("/b", 0, attempt=2)
    assert one.state != two.state and one.verifier != two.verifier and one.cookie_name != two.cookie_name
    assert one.cookie_name.startswith("cookie-")
    assert table.find(one.state, 600) is one
    table.finish(one)
    assert table.find(one.state, 1) is None
    assert table.find(two.state, 1) is two
    assert one.state not in repr(one) and one.verifier not in repr(one)


def test_sign_ins_age_and_are_bounded() -> None:
    table = PendingSignIns("cookie", max_entries=2, max_age=10)
    one, two, three = (table.begin("/", start) for start in (0, 5, 6))
    assert len(table) == 2
    assert table.find(one.state, 6) is None
    assert table.find(two.state, 15) is two
    assert table.find(two.state, 15.1) is None
    assert table.find(three.state, 15.1) is three


@pytest.mark.parametrize(
    ("state", "attempt"), [("abc.3", 3), ("abc", 1), ("", 1), ("abc.0", 1), ("a.99999", 1), ("a.²", 1)]
)
def test_attempt_survives_in_the_state(state: str, attempt: int) -> None:
    assert attempt_of(state) == attempt
    assert attempt_of(PendingSignIns("c").begin("/", 0, attempt=2).state) == 2
