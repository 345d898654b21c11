from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perijove.hub.core.paging import Page, Window, clamp, part_of


@pytest.mark.parametrize(
    ("offset", "limit", "window"),
    [
        (0, None, Window(0, 50)),
        (0, 10, Window(0, 10)),
        (0, -10, Window(0, 10)),
        (0, 0, Window(0, 1)),
        (0, 200, Window(0, 200)),
        (0, 201, Window(0, 200)),
        (-5, 10, Window(0, 10)),
        (7, 10, Window(7, 10)),
    ],
)
def test_what_is_asked_for_is_kept_within_bounds(offset: int, limit: int | None, window: Window) -> None:
    assert clamp(offset, limit, default=50, maximum=200) == window


@given(st.integers(), st.none() | st.integers(), st.integers(1, 500), st.integers(1, 500))
def test_no_window_is_empty_or_too_large(offset: int, limit: int | None, default: int, maximum: int) -> None:
    window = clamp(offset, limit, default=default, maximum=maximum)
    assert window.offset >= 0
    assert 1 <= window.limit <= maximum


@given(st.integers(0, 60), st.integers(1, 20))
def test_following_the_pages_shows_everything_once(total: int, limit: int) -> None:
    everything = list(range(total))
    seen: list[int] = []
    window: Window | None = Window(0, limit)
    while window is not None:
        assert len(seen) == window.offset < total or window.offset == 0
        page = Page(everything[window.offset : window.offset + window.limit], window, total)
        seen += page.items
        window = page.next
    assert seen == everything


def test_a_list_starts_with_its_first_two_hundred() -> None:
    assert Window() == Window(0, 200)


def test_the_last_full_page_has_no_next_one() -> None:
    assert Page([1, 2], Window(0, 2), 2).next is None
    assert Page([1, 2], Window(0, 2), 3).next == Window(2, 2)


@example(items=[1, 2], offset=1, limit=2)
@given(st.lists(st.integers(), max_size=40), st.integers(0, 100), st.integers(1, 15))
def test_a_part_is_what_was_asked_for_or_the_last_one(items: list[int], offset: int, limit: int) -> None:
    page = part_of(items, Window(offset, limit))
    assert page.items == items[page.window.offset :][:limit]
    assert page.total == len(items)
    assert bool(page.items) == bool(items)
    if offset < len(items):
        assert page.window == Window(offset, limit)
    elif items:
        assert page.next is None
