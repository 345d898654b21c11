"""The end of a log file, fit for a person."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOST_BYTES = 64 * 1024
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f]")


def last_lines(path: Path, lines: int) -> str:
    """Return the last *lines* lines of the file, of its last 64 KiB at most; "" if there is no such file.

    Bytes that are not UTF-8 are replaced, colours and control characters dropped. A line whose beginning was not read
    is left out: it could be the second half of a secret.
    """
    if lines <= 0:
        return ""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            raw = file.read(MOST_BYTES)
    except FileNotFoundError:
        return ""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    if size > MOST_BYTES:
        text = text.partition("\n")[2]
    text = _CONTROL.sub("", _COLOURS.sub("", text))
    return "\n".join(text.splitlines()[-lines:])
