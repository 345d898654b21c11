from __future__ import annotations

from datetime import UTC, datetime

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.users import User
from perijove.hub.testing.memory_state import State, drop, existing, forward, through_json

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_copy_changes_by_itself() -> None:
    state = State(users={1: User(1, "ada", False, NOW)})
    copied = state.copied()
    copied.users.clear()
    assert copied.next_id("users") == 1
    assert state.users
    assert state.next_id("users") == 1


def test_a_missing_row_is_a_conflict() -> None:
    with pytest.raises(PerijoveError) as caught:
        existing({}, 1)
    assert caught.value.code is Code.CONFLICT


def test_dropping_counts() -> None:
    rows = {1: "a", 2: "b", 3: "a"}
    assert drop(rows, lambda row: row == "a") == 2
    assert rows == {2: "b"}


def test_times_move_forward_only() -> None:
    rows = {1: User(1, "ada", False, NOW, last_activity=NOW)}
    forward(rows, {1: datetime(2029, 1, 1, tzinfo=UTC), 2: NOW})
    assert rows[1].last_activity == NOW
    with pytest.raises(ValueError, match="time zone"):
        forward(rows, {1: NOW.replace(tzinfo=None)})


def test_json_forgets_tuples() -> None:
    assert through_json({"a": (1, 2)}) == {"a": [1, 2]}
