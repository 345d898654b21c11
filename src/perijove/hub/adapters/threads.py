"""Calls of the system that may never return, such as a look at a file server or a directory of users that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from perijove.hub.core.errors import Code, PerijoveError

T = TypeVar("T")
MOST: Final = 16
"""How many may be under way; further ones would wait for the same that does not answer."""
_places = threading.BoundedSemaphore(MOST)


async def apart(what: str, function: Callable[[], T]) -> T:
    """Run *function* in a thread of its own, which neither takes one from others nor keeps the hub from ending.

    Args:
        what: what is asked, for the message if it does not answer.
        function: what to run; whoever cancels leaves it behind.

    Raises:
        PerijoveError: UNAVAILABLE, if too many earlier ones have not returned.
    """
    if not _places.acquire(blocking=False):
        raise PerijoveError(Code.UNAVAILABLE, f"{what} of this machine do not answer. Ask your administrator.")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = function()
        except Exception as error:
            failed = error
        finally:
            _places.release()
        with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="may hang", daemon=True).start()
    return await done
