"""Trait types and the call rule that all plug-in kinds share."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from traitlets import Integer, List, TraitError, TraitType, Unicode

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import shorten

_SUFFIXES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)")


class ByteSpecification(Integer[int | None, Any]):
    """A number of bytes, written as a number or as text with the suffix K, M, G or T (powers of 1024)."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return *value* in bytes."""
        if isinstance(value, str):
            found = _SIZE.fullmatch(value.strip())
            if not found:
                raise TraitError(f"{value!r} is not a size: write a number of bytes, or a number with K, M, G or T")
            return int(float(found[1]) * _SUFFIXES[found[2]])
        return int(value) if isinstance(value, float) else super().validate(obj, value)


class Command(List[str]):
    """A command with its arguments; one that is written as text is a command without any."""

    def __init__(self, default_value: Any = (), **kwargs: Any) -> None:
        super().__init__(Unicode(), list(default_value), **kwargs)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return *value* as a list."""
        return super().validate(obj, [value] if isinstance(value, str) else value)


class NamedFunction(TraitType[Any, Any]):
    """A function; some go by names.

    Args:
        default_value: the name of the one that is taken if there is no other.
        functions: those with names.
    """

    def __init__(self, default_value: str, functions: Mapping[str, Callable[..., Any]], **kwargs: Any) -> None:
        super().__init__(default_value, **kwargs)
        self._functions = functions

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the function that *value* is, or is the name of."""
        if callable(value):
            return value
        if isinstance(value, str) and value in self._functions:
            return self._functions[value]
        names = ", ".join(map(repr, self._functions))
        raise TraitError(f"{value!r} is neither a function nor one of {names}")


MAX_TOLD = 500
"""How much of a plug-in's words a person is shown at most, in characters."""


def told_by(error: Exception) -> str:
    """Return what *error*, raised by a plug-in, says to the person it is about; empty if it says nothing to them.

    Beside our own errors these are texts under ``jupyterhub_message``, and errors that a web framework answers with a
    status below 500: plug-ins written for JupyterHub raise both.
    """
    if isinstance(error, PerijoveError):
        return error.message
    message = getattr(error, "jupyterhub_message", "")
    if not message and 400 <= _status(error) < 500:
        message = _tornados(error) or getattr(error, "detail", None) or getattr(error, "reason", "")
    return shorten(message, MAX_TOLD) if isinstance(message, str) else ""


def _status(error: Exception) -> int:
    status = getattr(error, "status_code", 0)
    return status if isinstance(status, int) else 0


def _tornados(error: Exception) -> str:
    """Return the text of an error of Tornado's, which is a format with the arguments beside it."""
    text = getattr(error, "log_message", None)
    try:
        return str(text) % error.args if text else ""
    except (TypeError, ValueError):
        return str(text)


async def call_plugin(method: Callable[..., Any], *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
    """Call a plug-in's method, be it sync or async, without holding up the event loop.

    A coroutine function runs here; a plain one runs in a thread. A plain one may also give an awaitable.

    Args:
        method: what to call, with the arguments that follow.
        timeout: seconds after which it is given up, or None.

    Raises:
        TimeoutError: it took longer than *timeout*; a thread that hangs is left behind.
    """
    async with asyncio.timeout(timeout):
        if inspect.iscoroutinefunction(method):
            return await method(*args, **kwargs)
        result = await asyncio.to_thread(functools.partial(method, *args, **kwargs))
        return await result if inspect.isawaitable(result) else result
