from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.admission import Limits, Line, Place, check_active, place_of, queue_position, tightest
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import AT_REST, OCCUPYING, Server, State

ACTIVE = st.lists(st.sampled_from(sorted(set(State) - AT_REST)), max_size=12)


def servers(states: list[State], now: datetime, order: random.Random) -> list[Server]:
    """One server for each state, asked for in any order, two at a time."""
    seconds = [number // 2 for number in range(len(states))]
    order.shuffle(seconds)
    return [
        Server(number, 1, "alice", f"s{number}", state=state, requested=now + timedelta(seconds=at))
        for number, (state, at) in enumerate(zip(states, seconds, strict=True))
    ]


def in_order(active: list[Server]) -> list[Server]:
    queued = [server for server in active if server.state is State.QUEUED]
    return sorted(queued, key=lambda server: (server.requested, server.id))


@given(ACTIVE, st.integers(1, 8), st.randoms())
def test_the_queue_is_in_the_order_of_requests_without_gaps(
    now: datetime, states: list[State], limit: int, order: random.Random
) -> None:
    active = servers(states, now, order)
    occupied = sum(state in OCCUPYING for state in states)
    positions = [
        queue_position(server, Line.of(active), Limits(concurrent_starts=limit)) for server in in_order(active)
    ]
    free = max(0, limit - occupied)
    surplus = max(0, occupied - limit)
    waiting = positions[free:]
    assert positions[:free] == [0] * len(positions[:free])
    assert waiting == list(range(surplus + 1, surplus + 1 + len(waiting)))


@given(ACTIVE, st.integers(1, 8), st.randoms())
def test_everybody_gets_a_turn_and_never_more_than_the_limit_at_once(
    now: datetime, states: list[State], limit: int, order: random.Random
) -> None:
    active = servers(states, now, order)
    expected = in_order(active)
    occupied = sum(state in OCCUPYING for state in states)
    admitted: list[Server] = []
    while queued := in_order(active):
        chosen = [
            server for server in queued if queue_position(server, Line.of(active), Limits(concurrent_starts=limit)) == 0
        ]
        assert not chosen or occupied + len(chosen) <= limit
        admitted += chosen
        # Those that were starting are ready now, and those chosen start: each round ends.
        active = [server for server in active if server not in chosen and server.state not in OCCUPYING]
        occupied = 0
    assert admitted == expected


@given(ACTIVE, st.randoms())
def test_without_a_limit_nobody_waits(now: datetime, states: list[State], order: random.Random) -> None:
    active = servers(states, now, order)
    assert all(queue_position(server, Line.of(active), Limits()) == 0 for server in active)


@pytest.mark.parametrize(
    ("states", "position"),
    [
        ([], 0),
        ([State.READY, State.STOPPING, State.READY], 0),
        ([State.STARTING], 0),
        ([State.STARTING, State.ROUTING], 1),
        ([State.STARTING, State.ANSWERING, State.ROUTING], 2),
        ([State.QUEUED], 0),
        ([State.QUEUED, State.QUEUED, State.STARTING], 2),
    ],
)
def test_the_position_counts_those_who_must_go_first(now: datetime, states: list[State], position: int) -> None:
    earlier = [Server(n, 1, "a", "", state=state, requested=now) for n, state in enumerate(states)]
    mine = Server(99, 1, "b", "", state=State.QUEUED, requested=now)
    assert queue_position(mine, Line.of([*earlier, mine]), Limits(concurrent_starts=2)) == position
    assert queue_position(mine, Line.of(earlier), Limits(concurrent_starts=2)) == position


def test_who_comes_later_takes_nobodys_place(now: datetime) -> None:
    mine = Server(1, 1, "b", "", state=State.QUEUED, requested=now)
    later = [Server(n, 1, "a", "", state=State.QUEUED, requested=now + timedelta(seconds=n)) for n in range(2, 9)]
    assert queue_position(mine, Line.of([*later, mine]), Limits(concurrent_starts=1)) == 0


def test_a_server_without_a_time_of_request_holds_nobody_up(now: datetime) -> None:
    mine = Server(2, 1, "b", "", state=State.QUEUED, requested=now)
    timeless = Server(1, 1, "a", "", state=State.QUEUED)
    assert queue_position(mine, Line.of([mine, timeless]), Limits(concurrent_starts=1)) == 0
    assert queue_position(timeless, Line.of([mine, timeless]), Limits(concurrent_starts=1)) == 0


def test_there_is_no_limit_unless_one_is_set() -> None:
    assert Limits() == Limits(concurrent_starts=0, active_servers=0)
    check_active(Limits(), 10**6)


@pytest.mark.parametrize(("limit", "active"), [(0, 0), (0, 10**6), (1, 0), (5, 4)])
def test_below_the_limit_one_more_may_become_active(limit: int, active: int) -> None:
    check_active(Limits(active_servers=limit), active)


@pytest.mark.parametrize(("limit", "active"), [(1, 1), (5, 5), (5, 6)])
def test_at_the_limit_a_person_is_told_to_come_back(limit: int, active: int) -> None:
    with pytest.raises(PerijoveError, match="Active user limit exceeded") as caught:
        check_active(Limits(active_servers=limit), active)
    assert caught.value.code is Code.LIMITED


@pytest.mark.parametrize(
    ("limits", "result"), [((), 0), ((0, 0), 0), ((5, 0), 5), ((0, 4), 4), ((5, 4), 4), ((3, 4), 3)]
)
def test_of_several_limits_the_tightest_holds_and_0_is_none(limits: tuple[int, ...], result: int) -> None:
    assert tightest(*limits) == result


def test_the_estimate_goes_by_the_median_of_recent_starts(now: datetime) -> None:
    starting = [Server(n, 1, "a", "", state=State.STARTING, requested=now) for n in range(2)]
    earlier = [Server(n, 1, "a", "", state=State.QUEUED, requested=now) for n in range(2, 5)]
    mine = Server(99, 1, "b", "", state=State.QUEUED, requested=now)
    active = [*starting, *earlier, mine]
    limits = Limits(concurrent_starts=2)
    assert place_of(mine, Line.of(active), limits, []) == Place(4, None)
    assert place_of(mine, Line.of(active), limits, [3.0, 3.0, 300.0]) == Place(4, 6)
    assert place_of(mine, Line.of(starting), limits, [0.5]) == Place(1, 1)
    assert place_of(mine, Line.of([mine]), limits, [3.0]) == Place(0)


@pytest.mark.parametrize(
    ("place", "end"),
    [
        (Place(1), "number 1 in the queue"),
        (Place(2, 1), "number 2 in the queue, about 1 second"),
        (Place(2, 40), "number 2 in the queue, about 40 seconds"),
        (Place(2, 130), "number 2 in the queue, about 3 minutes"),
    ],
)
def test_a_place_is_told_in_words(place: Place, end: str) -> None:
    assert place.message == f"Waiting for a free place: {end}"


@pytest.mark.parametrize("state", [State.QUEUED, State.STARTING])
def test_nobody_waits_for_an_earlier_picture_of_their_own_server(state: State) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    before = Server(1, 1, "alice", "a", state=state, requested=now)
    other = Server(2, 1, "alice", "b", state=State.QUEUED, requested=now + timedelta(seconds=1))
    mine = Server(1, 1, "alice", "a", state=State.QUEUED, requested=now + timedelta(seconds=2))
    assert Line.of([before, other]).before(mine) == 1
    assert Line.of([before, other]).before(other) == 1
