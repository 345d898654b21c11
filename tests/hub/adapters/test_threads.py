from __future__ import annotations

import asyncio
import threading

import pytest

from perijove.hub.adapters import threads
from perijove.hub.adapters.threads import apart
from perijove.hub.core.errors import Code, PerijoveError


async def test_what_it_gives_or_raises_comes_back() -> None:
    assert await apart("Accounts", lambda: threading.current_thread().daemon) is True
    with pytest.raises(ZeroDivisionError):
        await apart("Accounts", lambda: 1 / 0)


async def test_what_hangs_is_left_behind_and_its_place_given_back_when_it_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "_places", threading.BoundedSemaphore(2))
    go = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(apart("Home folders", lambda: go.wait(60)), 0.01)
    with pytest.raises(PerijoveError, match="Home folders of this machine do not answer") as error:
        await apart("Home folders", lambda: None)
    assert error.value.code is Code.UNAVAILABLE
    go.set()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await apart("Home folders", lambda: 5) == 5
            except PerijoveError:
                await asyncio.sleep(0.01)
            else:
                break


def test_an_event_loop_that_ended_meanwhile_is_left_alone() -> None:
    go, over = threading.Event(), threading.Event()

    def late() -> None:
        go.wait(60)
        over.set()

    async def begin() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(apart("Accounts", late), 0.01)

    asyncio.run(begin())
    go.set()
    assert over.wait(30)
