"""Times of last activity, and how they are written."""

from __future__ import annotations

import pytest

from perijove.proxy.core.activity import Activity, from_iso, to_iso


def test_only_routes_that_are_kept_are_touched() -> None:
    activity = Activity()
    activity.touch("/a", 5.0)
    assert activity.last("/a") is None
    activity.begin("/a", 6.0)
    activity.touch("/a", 7.0)
    assert activity.last("/a") == 7.0
    activity.forget("/a")
    activity.forget("/a")
    assert activity.last("/a") is None


def test_a_copy_stays_as_it_was() -> None:
    activity = Activity()
    activity.begin("/a", 1.0)
    copy = activity.copy()
    activity.touch("/a", 2.0)
    assert copy.last("/a") == 1.0


def test_what_was_in_use_since() -> None:
    activity = Activity()
    activity.begin("/a", 1.0)
    activity.begin("/b", 2.0)
    assert activity.since(1.0) == {"/b": 2.0}
    assert activity.since(0.0) == {"/a": 1.0, "/b": 2.0}


def test_times_are_written_as_the_hub_reads_them() -> None:
    assert to_iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert to_iso(1767225600.5) == "2026-01-01T00:00:00.500Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01",
    ],
)
def test_reading_times(text: str) -> None:
    assert from_iso(text) == 1767225600.0


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "Z"])
def test_what_is_no_time(text: str) -> None:
    assert from_iso(text) is None
