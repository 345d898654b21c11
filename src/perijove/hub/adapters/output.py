"""What a program prints, line by line: bounded, without secrets, fit for the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from perijove.hub.adapters.redaction import readable, without_secrets

MAX_LINE: Final = 4096
"""How many characters of a line are told."""
MAX_HELD: Final = 2 * MAX_LINE
"""How many bytes of a line are waited for: enough that no secret is cut in two before it is taken out."""
MAX_PER_SECOND: Final = 200
"""How many lines are told in one second; the rest is counted."""


class Lines(asyncio.Protocol):
    """Takes what comes out of a pipe and tells it.

    Args:
        tell: is given each line.
        secrets: values that are taken out wherever they stand.
        clock: seconds of any steady clock.
    """

    def __init__(self, tell: Callable[[str], None], secrets: Iterable[str], clock: Callable[[], float]) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self._tell = tell
        self._secrets = tuple(line for value in secrets for line in value.splitlines())
        self._clock = clock
        self._rest = b""
        self._cut = False
        self._second = 0
        self._told = 0
        self._left_out = 0

    def data_received(self, data: bytes) -> None:
        """Tell the lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
            self._cut = False
        if len(self._rest) > MAX_HELD:
            self._line(self._rest)
            self._rest, self._cut = b"", True

    def connection_lost(self, error: Exception | None) -> None:
        """Tell what has no end of line, and how much was left out."""
        self._line(self._rest)
        self._tell_left_out()
        if not self.over.done():
            self.over.set_result(None)

    def _line(self, raw: bytes) -> None:
        if self._cut or not raw.strip():
            return
        second = int(self._clock())
        if second != self._second:
            self._tell_left_out()
            self._second, self._told = second, 0
        if self._told >= MAX_PER_SECOND:
            self._left_out += 1
            return
        self._told += 1
        text = without_secrets(readable(raw[:MAX_HELD].decode("utf-8", "replace")), self._secrets).strip()
        self._tell(text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]} … (cut)")

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._tell(f"… ({self._left_out} more lines in that second)")
            self._left_out = 0
