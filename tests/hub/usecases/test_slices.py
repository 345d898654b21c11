from __future__ import annotations

import asyncio

from perijove.hub.usecases.slices import in_slices


async def test_everything_comes_once_and_in_order() -> None:
    parts = [list(part) async for part in in_slices(list(range(7)), 3)]

    assert parts == [[0, 1, 2], [3, 4, 5], [6]]
    nothing: list[int] = []
    assert [part async for part in in_slices(nothing, 3)] == []


async def test_others_have_a_turn_between_two_parts() -> None:
    turns = []

    async def other() -> None:
        while True:
            turns.append(len(seen))
            await asyncio.sleep(0)

    seen: list[int] = []
    task = asyncio.ensure_future(other())
    async for part in in_slices([1, 2, 3], 1):
        seen += part
    task.cancel()

    assert {1, 2} <= set(turns)
