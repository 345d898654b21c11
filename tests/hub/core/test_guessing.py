from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from perijove.hub.core.attempts import Tally
from perijove.hub.core.errors import Code
from perijove.hub.core.guessing import Try, network_of, too_many

MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_stands_for_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_who_owns_a_whole_network_counts_once() -> None:
    keys = {Try("sign-in", "ada", f"2001:db8::{number:x}").by_address for number in range(50)}
    assert len(keys) == 1
    assert Try("sign-in", "ada", "2001:db8:0:1::").by_address not in keys
    assert Try("sign-up", "ada", "2001:db8::1").by_address not in keys
    assert Try("sign-in", "ada", "2001:db8::1", apart="client").by_address not in keys


def test_every_spelling_of_a_name_counts_together() -> None:
    assert len({Try("sign-in", name).by_name for name in ("ada", "ADA", "Ada")}) == 1
    assert Try("sign-in", "ada").by_name != Try("sign-in", "bob").by_name


@pytest.mark.parametrize("name", ["", "a/b", "x" * 300, " ada", "\0"])
def test_what_can_be_no_name_is_not_counted(name: str) -> None:
    assert Try("sign-in", name).by_name is None


def test_a_browser_known_to_a_name_counts_on_its_own() -> None:
    stranger, own, other = Try("sign-in", "ada"), Try("sign-in", "ada", device="1"), Try("sign-in", "ada", device="2")
    assert len({stranger.by_name, own.by_name, other.by_name}) == 3


def test_nothing_that_was_typed_is_stored() -> None:
    attempt = Try("sign-in", "ada" * 80, "192.0.2.7")
    for key in (attempt.by_name, attempt.by_address):
        assert key is not None
        assert len(key.kind) <= 32
        assert len(key.key_hash) == 64


@pytest.mark.parametrize(
    ("passed", "seconds", "words"),
    [(0, 600, "10 minutes"), (485.5, 115, "115 seconds"), (420, 180, "3 minutes"), (599.99, 1, "1 seconds")],
)
def test_how_long_to_wait(now: datetime, passed: float, seconds: int, words: str) -> None:
    error = too_many(Tally(11, now - timedelta(seconds=passed)), MINUTES, now)
    assert (error.code, error.retry_after) == (Code.LIMITED, seconds)
    assert error.message == f"Too many failed attempts. Try again in {words}."
