from __future__ import annotations

import asyncio

import pytest

from perijove.hub.adapters.store.turns import Turns


async def test_one_at_a_time_in_order() -> None:
    turns, seen = Turns(), list[str]()

    async def work(name: str) -> None:
        async with turns.turn():
            seen.append(f"{name} in")
            await asyncio.sleep(0)
            seen.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"))
    assert seen == ["a in", "a out", "b in", "b out"]


async def test_a_turn_within_a_turn_is_refused() -> None:
    turns = Turns()
    async with turns.turn():
        with pytest.raises(RuntimeError):
            async with turns.turn():
                pass
    async with turns.turn():
        pass
