from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.usecases.remembered import Remembered


def test_what_was_put_is_found_until_it_is_dropped() -> None:
    values: Remembered[str, int] = Remembered(2)
    values.put("a", 1)
    values.put("a", 2)
    assert (values.get("a"), values.get("b"), len(values)) == (2, None, 1)
    values.drop("a")
    values.drop("a")
    assert (values.get("a"), len(values)) == (None, 0)


def test_the_longest_unused_goes_first() -> None:
    values: Remembered[str, int] = Remembered(2)
    values.put("a", 1)
    values.put("b", 2)
    values.get("a")
    values.put("c", 3)
    assert [values.get(key) for key in "abc"] == [1, None, 3]


@given(st.lists(st.integers(0, 20)), st.integers(1, 5))
def test_there_are_never_more_than_the_limit(keys: list[int], limit: int) -> None:
    values: Remembered[int, int] = Remembered(limit)
    for key in keys:
        values.put(key, key)
        assert values.get(key) == key
        assert len(values) <= limit
