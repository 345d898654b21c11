"""Limits on the time that a plug-in may take, told apart from limits that run out inside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class TooSlow(Exception):
    """A limit of ours ran out, not one inside the plug-in; *what* completes "The server did not …"."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what)
        self.what = what
        self.seconds = seconds


async def within(seconds: float, what: str, work: Awaitable[T]) -> T:
    """Return what *work* gives; raises TooSlow if that takes more than *seconds*, and what *work* raises."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise TooSlow(what, seconds) from None
        raise
