from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import (
    AT_REST,
    COMMANDS,
    OCCUPYING,
    ON_THE_WAY_UP,
    TRANSITIONS,
    Command,
    Event,
    Failure,
    Server,
    State,
    Target,
    after,
    command_for,
    next_state,
)

PAIRS = list(product(State, Event))
MISSING = [pair for pair in PAIRS if pair not in TRANSITIONS]
ACTIVE = sorted(set(State) - AT_REST)
UP = (Event.START_REQUESTED, Event.ADMITTED, Event.STARTED, Event.ANSWERED, Event.ROUTED)
BROKEN = Failure("It ended by itself.", "Start it again.", "last line")


def server(state: State = State.STOPPED) -> Server:
    return Server(
        1,
        2,
        "alice",
        "lab",
        state=state,
        target=Target.STOPPED if state in AT_REST | {State.STOPPING} else Target.RUNNING,
        attempt=3,
        url="http://127.0.0.1:1",
        spawner_state={"pid": 4},
        user_options={"size": "small"},
        version=5,
        owner="hub-1",
    )


def driven(events: Iterable[Event], now: datetime) -> Server:
    current = server()
    for event in events:
        current = after(current, event, now, BROKEN if event is Event.BROKE else None)
    return current


@pytest.mark.parametrize(("state", "event"), TRANSITIONS, ids=lambda word: word.value)
def test_an_event_with_a_row_leads_to_its_state(now: datetime, state: State, event: Event) -> None:
    before = server(state)
    changed = after(before, event, now, BROKEN)
    assert changed.state is next_state(state, event) is TRANSITIONS[state, event]
    assert changed.version == before.version + 1
    assert (changed.id, changed.user_id, changed.full_name) == (1, 2, "alice/lab")
    assert changed.user_options == before.user_options


@pytest.mark.parametrize(("state", "event"), MISSING, ids=lambda word: word.value)
def test_an_event_without_a_row_is_an_error_and_changes_nothing(now: datetime, state: State, event: Event) -> None:
    before = server(state)
    copy = replace(before)
    with pytest.raises(PerijoveError, match=f"{state.value} cannot take") as caught:
        after(before, event, now, BROKEN)
    assert caught.value.code is Code.CONFLICT
    assert "_" not in caught.value.message
    assert before == copy


def test_rows_and_missing_rows_make_up_the_table() -> None:
    assert len(TRANSITIONS) + len(MISSING) == len(State) * len(Event)


@pytest.mark.parametrize("state", State)
def test_every_state_that_is_not_at_rest_has_exactly_one_command(state: State) -> None:
    assert (command_for(state) is None) == (state in AT_REST)
    assert command_for(state) == COMMANDS.get(state)


def test_no_two_states_share_a_command() -> None:
    assert sorted(COMMANDS.values()) == sorted(Command)


def reachable(start: State, *, without: Event | None = None) -> set[State]:
    found = {start}
    waiting = [start]
    while waiting:
        state = waiting.pop()
        ways = {new for (old, event), new in TRANSITIONS.items() if old is state and event is not without}
        waiting += ways - found
        found |= ways
    return found


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached_from_every_other(state: State) -> None:
    assert reachable(state) == set(State)


def test_every_event_can_happen_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)


@pytest.mark.parametrize("state", ACTIVE)
def test_a_stop_request_leads_to_rest_from_wherever_a_server_is(state: State) -> None:
    stopping = state if state is State.STOPPING else next_state(state, Event.STOP_REQUESTED)
    # Whatever happens then without a new start, the next state is one of rest.
    ways_out = {new for (old, event), new in TRANSITIONS.items() if old is stopping}
    assert ways_out == AT_REST
    assert reachable(stopping, without=Event.START_REQUESTED) == {stopping, *AT_REST}


@pytest.mark.parametrize("state", sorted(ON_THE_WAY_UP | {State.READY}))
def test_a_failure_on_the_way_up_or_later_leads_through_stopping_to_failed(now: datetime, state: State) -> None:
    broken = after(server(state), Event.BROKE, now, BROKEN)
    assert (broken.state, broken.target, broken.failure) == (State.STOPPING, Target.STOPPED, BROKEN)
    failed = after(broken, Event.GAVE_UP, now)
    assert (failed.state, failed.failure) == (State.FAILED, BROKEN)


def test_a_start_whose_port_was_taken_goes_on_in_the_same_attempt(now: datetime) -> None:
    before = replace(server(State.ANSWERING), requested=now, started=now)
    again = after(before, Event.PORT_TAKEN, now + timedelta(seconds=5))
    # What is stored of the run that ended is what its control group is found by.
    assert again == replace(before, state=State.STARTING, url="", version=before.version + 1)


def test_states_are_at_rest_on_the_way_up_ready_or_stopping() -> None:
    assert AT_REST | ON_THE_WAY_UP | {State.READY, State.STOPPING} == set(State)
    assert not AT_REST & ON_THE_WAY_UP
    assert ON_THE_WAY_UP - {State.QUEUED} == OCCUPYING


def test_a_start_goes_through_every_stage_and_remembers_when(now: datetime) -> None:
    later = now + timedelta(seconds=5)
    queued = after(replace(server(State.FAILED), failure=BROKEN), Event.START_REQUESTED, now)
    assert (queued.state, queued.target, queued.requested, queued.started) == (State.QUEUED, Target.RUNNING, now, None)
    assert (queued.attempt, queued.failure, queued.url, queued.spawner_state) == (4, None, "", {})
    starting = after(queued, Event.ADMITTED, later)
    assert (starting.requested, starting.started, starting.last_activity) == (now, later, later)
    ready = starting
    for event in UP[2:]:
        ready = after(ready, event, later + timedelta(seconds=5))
    assert (ready.state, ready.target, ready.attempt) == (State.READY, Target.RUNNING, 4)
    assert (ready.requested, ready.started) == (now, later)


@pytest.mark.parametrize(("event", "state"), [(Event.ENDED, State.STOPPED), (Event.GAVE_UP, State.FAILED)])
def test_a_server_at_rest_keeps_nothing_of_what_ran(now: datetime, event: Event, state: State) -> None:
    stopping = after(driven(UP, now), Event.STOP_REQUESTED, now)
    assert (stopping.state, stopping.target) == (State.STOPPING, Target.STOPPED)
    rest = after(replace(stopping, url="http://x", spawner_state={"pid": 1}), event, now)
    assert rest.state is state
    assert (rest.url, rest.spawner_state, rest.started, rest.requested) == ("", {}, None, None)
    assert rest.last_activity == stopping.last_activity


@pytest.mark.parametrize(
    ("state", "active", "ready", "pending"),
    [
        (State.STOPPED, False, False, None),
        (State.QUEUED, True, False, "spawn"),
        (State.STARTING, True, False, "spawn"),
        (State.ANSWERING, True, False, "spawn"),
        (State.ROUTING, True, False, "spawn"),
        (State.READY, True, True, None),
        (State.STOPPING, True, False, "stop"),
        (State.FAILED, False, False, None),
    ],
)
def test_clients_read_the_words_they_know(state: State, active: bool, ready: bool, pending: str | None) -> None:
    current = server(state)
    assert (current.active, current.ready, current.pending) == (active, ready, pending)


def test_the_default_server_has_an_empty_name_after_the_slash() -> None:
    assert Server(1, 2, "alice", "").full_name == "alice/"
    assert server().full_name == "alice/lab"


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_whatever_happens_state_target_and_version_agree(now: datetime, events: list[Event]) -> None:
    current = Server(1, 2, "alice", "")
    for count, event in enumerate(events):
        if (current.state, event) in TRANSITIONS:
            changed = after(current, event, now + timedelta(seconds=count), BROKEN)
            assert changed.version == current.version + 1
            current = changed
        running = current.state in ON_THE_WAY_UP or current.state is State.READY
        assert (current.target is Target.RUNNING) == running
        assert (current.requested is not None) == current.active
        assert current.started is None or current.active
        if running:
            assert current.failure is None
