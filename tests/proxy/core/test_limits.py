"""Counting connections."""

from __future__ import annotations

from perijove.proxy.core.limits import ConnectionLimits, Throttle


def test_without_limits_all_are_admitted() -> None:
    limits = ConnectionLimits(0, 0)
    assert [limits.admit("a") for _ in range(1000)] == [0] * 1000
    for _ in range(1000):
        limits.release("a")
    assert limits.open == 0


def test_the_total() -> None:
    limits = ConnectionLimits(2, 0)
    assert [limits.admit(each) for each in "abc"] == [0, 0, 503]
    assert (limits.open, limits.refused) == (2, 1)
    limits.dismiss()
    limits.release("a")
    assert limits.admit("c") == 0
    assert (limits.open, limits.refused) == (2, 0)


def test_each_address() -> None:
    limits = ConnectionLimits(3, 2)
    assert [limits.admit(each) for each in ("a", "a", "a", "b", "b")] == [0, 0, 429, 0, 503]
    limits.release("a")
    assert limits.admit("a") == 0
    for each in ("a", "a", "b"):
        limits.release(each)
    assert limits.open == 0


def test_addresses_of_one_subscriber_and_socket_files() -> None:
    limits = ConnectionLimits(0, 1)
    assert [limits.admit(each) for each in ("2001:db8::1", "2001:db8::2", "", "")] == [0, 429, 0, 0]
    limits.release("2001:db8::1")
    assert limits.admit("2001:db8::3") == 0


def test_a_throttle_counts_what_it_kept_back() -> None:
    throttle = Throttle(1.0)
    assert [throttle.allows(now) for now in (5.0, 5.1, 5.9, 6.0, 9.0)] == [1, 0, 0, 3, 1]
