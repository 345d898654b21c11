from __future__ import annotations

import asyncio

import pytest

from perijove.hub.usecases.time_limits import TooSlow, within


async def test_what_is_quick_enough_gives_its_answer() -> None:
    async def work() -> int:
        return 7

    assert await within(10, "answer", work()) == 7


async def test_what_takes_too_long_is_named() -> None:
    with pytest.raises(TooSlow) as caught:
        await within(0.01, "answer", asyncio.Event().wait())
    assert (caught.value.what, caught.value.seconds) == ("answer", 0.01)


async def test_a_limit_inside_is_not_taken_for_ours() -> None:
    async def work() -> None:
        raise TimeoutError("of the plug-in")

    with pytest.raises(TimeoutError, match="of the plug-in"):
        await within(10, "answer", work())
