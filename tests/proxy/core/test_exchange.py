"""The table of one exchange's life cycle."""

from __future__ import annotations

import pytest

from perijove.proxy.core.exchange import TRANSITIONS, Action, Event, State, idle_limit, may_retry

OVER = {State.FINISHED, State.CUT, State.SWITCHED, State.GONE}


def run(state: State, *events: Event) -> tuple[State, list[Action]]:
    actions = []
    for event in events:
        state, action = TRANSITIONS[state, event]
        actions.append(action)
    return state, actions


def test_a_plain_exchange() -> None:
    assert run(State.WAITING, Event.ANSWER, Event.ANSWER_END) == (State.FINISHED, [Action.PASS_HEAD, Action.FINISH])


def test_an_answer_may_overtake_its_request() -> None:
    state, actions = run(State.SENDING, Event.ANSWER, Event.ANSWER_END)
    assert (state, actions[-1]) == (State.CUT, Action.FINISH_AND_CLOSE)
    state, actions = run(State.SENDING, Event.ANSWER, Event.REQUEST_END, Event.ANSWER_END)
    assert (state, actions[-1]) == (State.FINISHED, Action.FINISH)


@pytest.mark.parametrize("state", [State.SENDING, State.WAITING])
def test_before_the_answer_a_failure_is_told(state: State) -> None:
    assert TRANSITIONS[state, Event.FAULT][1] is Action.ANSWER_FAULT


@pytest.mark.parametrize("state", [State.CROSSING, State.ANSWERING])
def test_within_the_answer_a_failure_cuts_the_connection(state: State) -> None:
    assert TRANSITIONS[state, Event.FAULT] == (State.GONE, Action.ABORT)


def test_only_a_complete_request_becomes_a_tunnel() -> None:
    assert [state for state, event in TRANSITIONS if event is Event.SWITCH] == [State.WAITING]


def test_every_state_under_way_knows_what_to_do_when_somebody_vanishes() -> None:
    for state in set(State) - OVER:
        assert TRANSITIONS[state, Event.CLIENT_LOST] == (State.GONE, Action.DROP_TARGET)
        assert (state, Event.FAULT) in TRANSITIONS


def test_what_is_over_stays_over() -> None:
    assert not [state for state, _ in TRANSITIONS if state in OVER]


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.SENDING, State.WAITING} | {state for state, _ in TRANSITIONS.values()}
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - OVER


@pytest.mark.parametrize(
    ("method", "body", "pooled", "retried", "allowed"),
    [
        (b"GET", 0, True, False, True),
        (b"DELETE", 0, True, False, True),
        (b"GET", 0, False, False, False),
        (b"GET", 0, True, True, False),
        (b"POST", 0, True, False, False),
        (b"PUT", 5, True, False, False),
        (b"GET", -1, True, False, False),
    ],
)
def test_retry(method: bytes, body: int, pooled: bool, retried: bool, allowed: bool) -> None:
    assert may_retry(method, body, pooled=pooled, retried=retried) is allowed


def test_what_cannot_be_sent_again_takes_no_old_connection() -> None:
    assert idle_limit(b"GET", 0, 4.0) == 4.0
    assert idle_limit(b"POST", 0, 4.0) == 1.0
    assert idle_limit(b"PUT", 10, 4.0) == 1.0
    assert idle_limit(b"POST", 0, 0.5) == 0.5
