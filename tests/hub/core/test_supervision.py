from __future__ import annotations

import signal

import pytest

from perijove.hub.core.supervision import (
    CRASHED,
    FAILED,
    LONGEST_PAUSE,
    STEADY_SECONDS,
    End,
    Finish,
    Past,
    StartAgain,
    after,
)

WORKED = Past(up=True)
FIRST = Past()


@pytest.mark.parametrize("status", [-signal.SIGKILL, -signal.SIGSEGV, CRASHED])
def test_a_hub_that_dies_has_a_successor_at_once(status: int) -> None:
    assert after(End(status, up=True, lived=STEADY_SECONDS), FIRST) == StartAgain(0.0, Past(up=True))
    assert after(End(status, up=True, lived=1.0), FIRST) == StartAgain(0.0, Past(up=True, short=1))


@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_hub_that_decides_to_end_is_obeyed(status: int) -> None:
    assert after(End(status, up=True, lived=1.0), WORKED) == Finish(status)
    assert after(End(status, up=False, lived=1.0), FIRST) == Finish(status)


def test_a_first_start_that_breaks_has_failed() -> None:
    assert after(End(CRASHED, up=False, lived=1.0), FIRST) == Finish(FAILED)


@pytest.mark.parametrize("status", [FAILED, CRASHED])
def test_what_worked_before_is_tried_again(status: int) -> None:
    assert after(End(status, up=False, lived=1.0), WORKED) == StartAgain(0.0, Past(up=True, short=1))


def test_a_hub_that_was_told_to_end_before_it_served_is_obeyed() -> None:
    assert after(End(0, up=False, lived=1.0), WORKED) == Finish(0)


def test_a_hub_that_is_killed_before_it_served_is_started_again() -> None:
    assert after(End(-signal.SIGKILL, up=False, lived=1.0), FIRST) == StartAgain(0.0, Past(up=False, short=1))


def test_hubs_that_keep_dying_come_ever_more_slowly() -> None:
    past, pauses = WORKED, []
    for _ in range(9):
        step = after(End(-signal.SIGKILL, up=False, lived=1.0), past)
        assert isinstance(step, StartAgain)
        pauses.append(step.pause)
        past = step.past
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE]
    assert after(End(-signal.SIGKILL, up=True, lived=STEADY_SECONDS), past) == StartAgain(0.0, Past(up=True))


def test_any_number_of_deaths_can_be_borne() -> None:
    step = after(End(CRASHED, up=False, lived=0.0), Past(up=True, short=100_000))
    assert step == StartAgain(LONGEST_PAUSE, Past(up=True, short=100_001))
