"""What connections share: ids, tasks, deadlines."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import Any

import pytest

from perijove.proxy.core.book import RouteBook
from perijove.proxy.net.context import Context
from perijove.proxy.net.errorpages import ErrorPages
from perijove.proxy.net.tls import Certificates
from perijove.proxy.net.upstream import UpstreamPool
from perijove.proxy.settings import ProxySettings


def make() -> Context:
    settings = ProxySettings(keep_alive_timeout=0.1)
    return Context(settings, RouteBook(), UpstreamPool(1, 1), ErrorPages(None, {}, 1, lambda _: None), Certificates())


async def test_request_ids_never_repeat() -> None:
    one, other = make(), make()
    ids = {context.new_request_id() for context in (one, other) for _ in range(100)}
    assert len(ids) == 200
    await one.close()
    await other.close()


async def test_passed_deadlines_are_told() -> None:
    context = make()

    class Waiting:
        deadline = context.loop.time() + 0.05

        def __init__(self) -> None:
            self.told = asyncio.Event()

        def expire(self) -> None:
            self.deadline = inf
            self.told.set()

    waiting = Waiting()
    context.connections.add(waiting)
    await asyncio.wait_for(waiting.told.wait(), 5)
    context.idle.clear()
    context.forget(waiting)
    assert context.idle.is_set()
    await context.close()


async def test_a_failed_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    context = make()

    async def fail() -> None:
        raise KeyError("x")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait((context.start(fail()),))
        await asyncio.sleep(0)
    assert "internal error" in caplog.text
    await context.close()


async def test_closing_ends_tasks() -> None:
    context = make()
    task: Any = context.start(asyncio.sleep(60))
    await context.close()
    assert task.cancelled()
