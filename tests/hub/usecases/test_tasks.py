from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from perijove.hub.usecases.tasks import Tasks


async def test_a_task_is_held_until_it_ends() -> None:
    tasks = Tasks()

    async def answer() -> int:
        return 42

    task = tasks.spawn(answer(), "answer")
    assert task.get_name() == "answer"
    assert await task == 42
    await asyncio.sleep(0)
    assert tasks._running == set()


async def test_a_failure_is_seen() -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise LookupError("lost")

    with capture_logs() as logs:
        task = tasks.spawn(fail(), "unlucky")
        await asyncio.wait({task})
        await asyncio.sleep(0)
    (line,) = logs
    assert (line["task"], line["event"]) == ("unlucky", "background task failed")


async def test_periodic_work_goes_on_after_any_failure() -> None:
    tasks = Tasks()
    turns = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            third.set()
        raise RuntimeError(f"turn {turns}")

    with capture_logs() as logs:
        tasks.every(0.001, work, "often")
        async with asyncio.timeout(10):
            await third.wait()
        await tasks.close()
    assert {line["event"] for line in logs} == {"periodic work failed"}


async def test_closing_ends_what_is_left_and_waits_for_it() -> None:
    tasks = Tasks()
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned = True

    tasks.spawn(work(), "w")
    await asyncio.sleep(0)
    await tasks.close()
    assert cleaned
