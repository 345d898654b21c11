from __future__ import annotations

from datetime import UTC, datetime

from perijove.hub.core.attempts import AttemptKey, Tally

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_keys_have_an_order_and_tell_kinds_apart() -> None:
    keys = {AttemptKey("name", "b"), AttemptKey("name", "a"), AttemptKey("address", "b")}
    assert sorted(keys) == [("address", "b"), ("name", "a"), ("name", "b")]
    assert Tally(1, NOW) != Tally(2, NOW)
