from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perijove.hub.core.pending_sign_ins import LIFETIME, MAX_DATA, PendingSignIn, checked_data, may_resume

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = PendingSignIn("state", "browser", "/hub/home", 1, NOW, {"verifier": "s3cret"})


def test_a_browser_goes_on_with_its_own_in_time_and_once() -> None:
    last = NOW + LIFETIME - timedelta(seconds=1)
    assert may_resume(PENDING, "browser", last)
    assert not may_resume(PENDING, "browser", NOW + LIFETIME)
    assert not may_resume(PENDING, "another", NOW)
    assert not may_resume(PENDING, "", NOW)
    assert not may_resume(replace(PENDING, used=True), "browser", NOW)


def test_what_is_kept_stands_in_no_log() -> None:
    assert "s3cret" not in repr(PENDING)


def test_what_json_can_hold_is_kept_as_it_is() -> None:
    given = {"verifier": "v", "nonce": [1, None]}
    kept = checked_data(given, "begin")
    assert kept == given
    assert kept is not given
    assert checked_data({}, "begin") == {}
    assert checked_data({"x": "y" * (MAX_DATA - 10)}, "begin")


@pytest.mark.parametrize("data", [None, "text", [("a", "b")], {"x": object()}, {"x": float("nan")}, {"x": b"s3cret"}])
def test_anything_else_is_refused_and_not_told(data: Any) -> None:
    with pytest.raises(TypeError, match="begin must give a dictionary") as told:
        checked_data(data, "begin")
    assert "s3cret" not in str(told.value)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4097 bytes to keep: 4096 are allowed"):
        checked_data({"x": "y" * (MAX_DATA - 8)}, "begin")


def test_what_is_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(TypeError):
        checked_data(deep, "begin")
