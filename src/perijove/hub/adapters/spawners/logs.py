"""The end of a log file, fit for a person."""

from __future__ import annotations

import os
from pathlib import Path

from perijove.hub.adapters.redaction import readable

MOST_BYTES = 64 * 1024


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
    return "\n".join(readable(text).splitlines()[-lines:])
