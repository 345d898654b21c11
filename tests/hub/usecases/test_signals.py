from __future__ import annotations

from perijove.hub.usecases.signals import Signals


async def test_news_wake_whoever_waits_for_that_server() -> None:
    signals = Signals()
    with signals.subscribe(1) as one, signals.subscribe(1) as another, signals.subscribe(2) as other:
        signals.notify(1)
        assert await one.wait(10)
        assert await another.wait(10)
        assert not await other.wait(0.001)


async def test_news_between_two_waits_are_not_lost_and_count_once() -> None:
    signals = Signals()
    with signals.subscribe(1) as news:
        signals.notify(1)
        signals.notify(1)
        assert await news.wait(10)
        assert not await news.wait(0.001)


async def test_nothing_is_kept_of_those_who_have_left() -> None:
    signals = Signals()
    with signals.subscribe(1), signals.subscribe(1):
        pass
    signals.notify(1)
    assert signals._waiting == {}
