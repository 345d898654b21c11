from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.tokens import API_CLIENT_ID, Token, expired, expiry, hash_token

CENTURY = 100 * 366 * 86400


def test_a_token_is_stored_as_its_sha_256() -> None:
    assert hash_token("abc") == hashlib.sha256(b"abc").hexdigest()
    assert hash_token("abc") != hash_token("abd")


@given(st.text(st.characters()))
def test_whatever_a_caller_sends_as_a_token_can_be_looked_up(token: str) -> None:
    assert len(hash_token(token)) == 64


def test_a_token_is_known_by_its_number_on_the_wire(now: datetime) -> None:
    token = Token(7, "hash", "user", 1, "alice", ("inherit",), now)
    assert token.api_id == "a7"
    assert token.client_id == API_CLIENT_ID
    assert not expired(token.expires_at, now)


def test_a_token_is_over_from_the_moment_it_expires(now: datetime) -> None:
    assert not expired(None, now)
    assert not expired(now + timedelta(microseconds=1), now)
    assert expired(now, now)
    assert expired(now - timedelta(seconds=1), now)


@pytest.mark.parametrize(
    ("expires_in", "maximum", "seconds"),
    [
        (None, 0, None),
        (0, 0, None),
        (60, 0, 60),
        (CENTURY, 0, CENTURY),
        (None, 3600, 3600),
        (0, 3600, 3600),
        (60, 3600, 60),
        (3600, 3600, 3600),
    ],
)
def test_a_token_lasts_as_long_as_asked_for(
    now: datetime, expires_in: int | None, maximum: int, seconds: int | None
) -> None:
    expected = None if seconds is None else now + timedelta(seconds=seconds)
    assert expiry(expires_in, maximum, now) == expected


@pytest.mark.parametrize(("expires_in", "maximum"), [(-1, 0), (-1, 3600), (CENTURY + 1, 0), (10**30, 0), (3601, 3600)])
def test_a_time_that_is_not_possible_is_refused(now: datetime, expires_in: int, maximum: int) -> None:
    with pytest.raises(PerijoveError, match="expires_in") as caught:
        expiry(expires_in, maximum, now)
    assert caught.value.code is Code.INVALID


@given(st.none() | st.integers(-10, 10**6), st.integers(1, 10**5))
def test_ghsa_pvm9_48cg_w76j_no_token_outlives_the_maximum(now: datetime, expires_in: int | None, maximum: int) -> None:
    try:
        ends = expiry(expires_in, maximum, now)
    except PerijoveError:
        return
    assert ends is not None
    assert now < ends <= now + timedelta(seconds=maximum)
