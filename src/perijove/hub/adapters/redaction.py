"""What is taken out of text before somebody reads it: log lines of ours, and the output of servers and services."""

from __future__ import annotations

import re
from collections.abc import Iterable

REMOVED = "[removed]"
SHORTEST_SECRET = 8
"""Shorter values are not looked for: removing them would garble ordinary words."""

_NAMES = r"(?:token|password|passwd|passphrase|secret|api[_-]?key|credential)s?"
_SECRET_NAME = re.compile(rf"(?:^|[_\W])(?:{_NAMES}|cookies?|authorization|[xc]srf)(?:$|[_\W])", re.IGNORECASE)
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie"
_RULES = (
    # Header lines: everything up to the end of the line or of the quoted value.
    (re.compile(rf"\b({_HEADERS})(['\"]?\s*[:=]\s*)(['\"]?)[^'\"\r\n]+", re.IGNORECASE), rf"\1\2\3{REMOVED}"),
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {REMOVED}"),
    # Parameters of a URL: the OAuth code and state.
    (re.compile(r"([?&](?:code|state)=)[^\s&#'\"]+", re.IGNORECASE), rf"\1{REMOVED}"),
    # A password inside a URL.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@", re.IGNORECASE), rf"\1{REMOVED}@"),
    # name=value and name: value
    (re.compile(rf"((?:\b|_){_NAMES}['\"]?(?:=|:\s?)['\"]?)[^\s&#,;'\"]+", re.IGNORECASE), rf"\1{REMOVED}"),
)


_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f]")


def readable(text: str) -> str:
    """Return *text* without colours and control characters; lines, tabs and blanks stay."""
    return _CONTROL.sub("", _COLOURS.sub("", text))


def is_secret_name(name: str) -> bool:
    """Say whether a value called *name* should not be seen."""
    return _SECRET_NAME.search(name) is not None


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Return *text* with what looks like a secret, and every value of *known*, replaced.

    Args:
        text: what somebody is going to read.
        known: secrets that may stand anywhere in it; those shorter than 8 characters are not looked for.
    """
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, REMOVED)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
