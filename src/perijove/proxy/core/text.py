"""Text of strangers, made fit for a log line."""

from __future__ import annotations

MAX_SHOWN = 200


def printable(text: str) -> str:
    """Return what may be logged of *text*: bounded, control characters and all beyond ASCII escaped."""
    return text[:MAX_SHOWN].encode("unicode_escape").decode("ascii")
