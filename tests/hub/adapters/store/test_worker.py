from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from perijove.hub.adapters.store.worker import Worker
from perijove.hub.core.errors import Code, PerijoveError


async def test_calls_run_in_one_other_thread() -> None:
    worker = Worker()
    threads = {await worker.run(threading.get_ident) for _ in range(5)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    worker.end()


async def test_a_cancelled_call_is_carried_out_before_the_next() -> None:
    worker, begin, done = Worker(), threading.Event(), list[str]()
    first = asyncio.create_task(worker.run(begin.wait))
    second = asyncio.create_task(worker.run(lambda: done.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    begin.set()
    await worker.run(lambda: done.append("third"))
    await first
    assert done == ["second", "third"]
    worker.end()


async def test_database_errors_are_told_in_our_words() -> None:
    worker = Worker()

    def fail() -> None:
        raise sqlite3.OperationalError("no such table: secrets")

    with pytest.raises(PerijoveError) as caught:
        await worker.run(fail)
    assert caught.value.code is Code.UNAVAILABLE
    assert "secrets" not in caught.value.message
    worker.end()
