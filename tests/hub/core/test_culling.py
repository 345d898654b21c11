from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.culling import LATEST_REPORT, REPORT_SECONDS, Attention, CullRules, Ending, Why, ending, why_now
from perijove.hub.core.servers import Server, State

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = CullRules(idle_timeout=3600)


def server(state: State = State.READY, started: datetime | None = START, used: datetime | None = None) -> Server:
    return Server(1, 1, "ada", "", state=state, started=started, last_activity=used)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_what_is_not_used_for_so_long_is_due_at_that_very_moment() -> None:
    used = server(used=after(100))
    assert ending(used, HOUR) == Ending(after(3700), None, after(3700 - 900))
    assert why_now(used, HOUR, after(3699.9)) is None
    assert why_now(used, HOUR, after(3700)) is Why.IDLE


def test_what_is_old_is_due_though_it_is_used() -> None:
    rules = CullRules(idle_timeout=3600, max_age=7200)
    used = server(used=after(7100))
    assert ending(used, rules) == Ending(after(10_700), after(7200), after(7200 - 900))
    assert why_now(used, rules, after(7199)) is None
    assert why_now(used, rules, after(7200)) is Why.AGE


def test_the_first_end_is_the_one_that_comes() -> None:
    assert Ending(after(1), after(2)).first == after(1)
    assert Ending(None, after(2)).first == after(2)
    assert Ending(None, None).first is None


def test_what_was_never_used_counts_from_its_start() -> None:
    assert ending(server(), HOUR) == Ending(after(3600), None, after(2700))
    assert ending(server(used=START - timedelta(days=9)), HOUR) == ending(server(), HOUR)


def test_owners_are_warned_in_the_last_third_at_most() -> None:
    assert ending(server(), CullRules(idle_timeout=600)) == Ending(after(600), None, after(400))
    assert ending(server(), CullRules(max_age=60)) == Ending(None, after(60), after(40))


def test_what_is_not_known_is_no_reason() -> None:
    assert ending(server(started=None), CullRules(60, 60)) is None
    assert why_now(server(started=None), CullRules(60, 60), after(1e9)) is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.READY])
def test_only_what_is_ready_is_stopped(state: State) -> None:
    assert ending(server(state), CullRules(1, 1)) is None
    assert why_now(server(state), CullRules(1, 1), after(1e6)) is None


def test_without_rules_nothing_ends() -> None:
    assert ending(server(), CullRules()) is None


def test_more_time_than_there_is_means_never() -> None:
    assert ending(server(), CullRules(1e300, 1e13)) is None


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_it_is_due_when_its_first_end_has_come_and_not_before(now: float, timeout: float, age: float) -> None:
    rules, used = CullRules(timeout, age), server(used=after(50))
    due = ending(used, rules)
    expected = due is not None and due.first is not None and due.first <= after(now)
    assert (why_now(used, rules, after(now)) is not None) == expected


def test_servers_report_three_times_before_they_count_as_idle() -> None:
    assert CullRules(idle_timeout=60).report_seconds == 20
    assert CullRules(idle_timeout=7200).report_seconds == REPORT_SECONDS
    assert CullRules(max_age=60).report_seconds == REPORT_SECONDS


def looks(*moments: tuple[float, float]) -> Attention:
    attention = Attention()
    for wall, measured in moments:
        attention = attention.looked(after(wall), measured)
    return attention


def test_nothing_is_believed_before_all_have_reported() -> None:
    assert not Attention().suffices(HOUR)
    assert not looks((0, 1000)).suffices(HOUR)
    enough = REPORT_SECONDS * LATEST_REPORT
    assert not looks((0, 1000), (enough - 1, 1000 + enough - 1)).suffices(HOUR)
    assert looks((0, 1000), (enough, 1000 + enough)).suffices(HOUR)


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_makes_it_begin_anew(jump: float) -> None:
    assert looks((0, 0), (60, 60), (900, 900)).suffices(HOUR)
    jumped = looks((0, 0), (60, 60), (900 + jump, 900))
    assert not jumped.suffices(HOUR)
    assert jumped.looked(after(1300 + jump), 1300).suffices(HOUR)


def test_a_gap_makes_it_begin_anew() -> None:
    heard = looks((0, 0), (900, 900))
    assert heard.suffices(HOUR)
    assert not heard.lost().suffices(HOUR)
    assert not heard.lost().looked(after(960), 960).suffices(HOUR)
