from __future__ import annotations

from datetime import UTC, datetime, timedelta

from perijove.hub.core.history import KEPT, Gauges, History

NOON = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_each_point_tells_of_its_minutes() -> None:
    history = History()
    history.looked(NOON - 3 * MINUTE, Gauges(running=3, queued=1))
    history.looked(NOON - 2 * MINUTE, Gauges(running=2, hub_memory=50))
    history.started(NOON - 2 * MINUTE, 1.0)
    history.started(NOON - 2 * MINUTE, 4.0)
    history.failed(NOON)
    fine = history.points(NOON, 4, 1)
    assert [point.at for point in fine] == [NOON.replace(second=0) - back * MINUTE for back in (3, 2, 1, 0)]
    assert [point.gauges and point.gauges.running for point in fine] == [3, 2, None, None]
    assert [(point.starts, point.seconds, point.longest) for point in fine] == [
        (0, None, 0.0),
        (2, 2.5, 4.0),
        (0, None, 0.0),
        (0, None, 0.0),
    ]
    assert [point.failures for point in fine] == [0, 0, 0, 1]
    coarse = history.points(NOON, 2, 5)
    assert coarse[0].at == NOON.replace(minute=55, hour=11, second=0)
    assert coarse[0].gauges == Gauges(running=3, queued=1, hub_memory=50)
    assert (coarse[1].starts, coarse[1].failures) == (0, 1)


def test_what_is_older_than_a_day_is_forgotten() -> None:
    history = History()
    for number in range(KEPT + 10):
        history.started(NOON + number * MINUTE, 1.0)
    now = NOON + (KEPT + 9) * MINUTE
    assert sum(point.starts for point in history.points(now, 2 * KEPT, 1)) == KEPT


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    history = History()
    history.started(NOON, 1.0)
    history.started(NOON - 10 * MINUTE, 1.0)
    assert history.points(NOON, 1, 1)[0].starts == 2
