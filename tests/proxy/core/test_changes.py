"""The numbered changes of one life of a proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core import changes
from perijove.proxy.core.changes import Change, ChangeLog
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Target, parse_target


def route(key: str) -> Route:
    parsed = parse_target("http://127.0.0.1:1")
    assert isinstance(parsed, Target)
    return Route(key, parsed)


def test_changes_are_numbered_and_told_in_order() -> None:
    log = ChangeLog("now")
    first = log.record((route("/a"),), ())
    second = log.record((), ("/a",))
    assert (first.number, second.number, log.last) == (1, 2, 2)
    assert log.since("now", 0) == [first, second]
    assert log.since("now", 1) == [Change(2, (), ("/a",))]
    assert log.since("now", 2) == []


@pytest.mark.parametrize(("epoch", "number"), [("before", 0), ("", 0), ("now", 1), ("now", -1)])
def test_what_is_not_of_this_life_is_not_known(epoch: str, number: int) -> None:
    assert ChangeLog("now").since("now", 0) == []
    assert ChangeLog("now").since(epoch, number) is None


@given(st.lists(st.integers(1, 7), max_size=30), st.integers(0, 31))
def test_only_the_latest_are_kept(sizes: list[int], asked: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "HISTORY", 10)
        log = ChangeLog("now")
        told = [log.record((), tuple(f"/{n}" for n in range(size))) for size in sizes]
    kept = 0
    while kept < len(sizes) and sum(sizes[len(sizes) - kept - 1 :]) <= 10:
        kept += 1
    known = len(sizes) - kept <= asked <= len(sizes)
    assert log.since("now", asked) == (told[asked:] if known else None)
