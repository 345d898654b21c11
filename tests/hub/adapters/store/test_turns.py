from __future__ import annotations

import asyncio

import pytest

from perijove.hub.adapters.store.turns import Holders, Turns


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


async def test_a_task_has_one_turn_of_all_that_share_their_holders() -> None:
    holders: Holders = set()
    one, other = Turns(1, holders), Turns(1, holders)
    async with one.turn():
        with pytest.raises(RuntimeError):
            async with other.turn():
                pass
        async with asyncio.timeout(30):
            await asyncio.create_task(take(other))
    await take(other)


async def take(turns: Turns) -> None:
    async with turns.turn():
        pass


async def test_so_many_at_a_time_and_no_more() -> None:
    turns = Turns(2)
    async with turns.turn():
        await asyncio.create_task(take(turns))
        await turns.withdraw()
        waiting = asyncio.create_task(take(turns))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
