"""A judge of URLs that shares no code with what it judges: it reads them as browsers do."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import settings

# Property tests are not timed: a loaded machine is no fault of theirs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SPECIAL = {"http", "https", "ws", "wss", "ftp"}
DOTS = {".": 1, "%2e": 1, "..": 2, ".%2e": 2, "%2e.": 2, "%2e%2e": 2}


def browser_goes_to(location: str, origin: str, page: str) -> tuple[str, str]:
    """Return the origin and the path that a browser showing *page* of *origin* requests for *location*.

    The parser of the URL Standard (url.spec.whatwg.org, section 4.4), as far as it decides where a request goes. A
    scheme without an authority gives that scheme as the origin.
    """
    text = re.sub(r"[\t\n\r]", "", location.strip("".join(map(chr, range(0x21)))))
    own_scheme, _, own_host = origin.partition("://")
    scheme, rest = own_scheme, text
    if match := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text):
        scheme, rest = match[1].lower(), text[match.end() :]
        if scheme not in SPECIAL:
            return f"{scheme}:", rest
        if scheme != own_scheme:
            rest = "//" + rest
    rest = re.split(r"[?#]", rest, maxsplit=1)[0].replace("\\", "/")
    host = own_host
    if rest.startswith("//"):
        authority, slash, tail = rest.lstrip("/").partition("/")
        host, rest = authority.rpartition("@")[2].lower(), slash + tail or "/"
    elif not rest.startswith("/"):
        rest = page.rpartition("/")[0] + "/" + rest
    segments: list[str] = []
    parts = rest.split("/")[1:]
    for number, part in enumerate(parts, 1):
        dots = DOTS.get(part.lower(), 0)
        if dots == 2 and segments:
            segments.pop()
        if not dots:
            segments.append(part)
        elif number == len(parts):
            segments.append("")
    return f"{scheme}://{host}", "/" + "/".join(segments)


@pytest.fixture(scope="session")
def browser() -> Callable[[str, str, str], tuple[str, str]]:
    """Where a browser goes: see `browser_goes_to`."""
    return browser_goes_to


@pytest.fixture(scope="session")
def now() -> datetime:
    """The time in every test here."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC)
