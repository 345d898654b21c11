"""Templates of the hub's pages: one environment, its filters, and addresses of static files that change when they do.

Everything is escaped, and a name that a page forgot to pass is an error, not an empty string. Templates get the clock
as a value (``now``) and the hub's prefix (``prefix``), so the same input always gives the same page.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

STATIC_FOLDER: Final = Path(__file__).parent / "static"
"""Where the static files are; served under ``<prefix>static/``."""

_JUST_NOW_SECONDS = 10
_DAYS_BEFORE_DATE = 30
_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_MONTHS: Final = (  # not from the locale: pages are in English
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def make_environment() -> Environment:
    """Return the environment that renders the hub's pages.

    Its filters are ``ago``, ``iso``, ``seconds_since`` and ``segment``; ``static_url("css/x.css")`` is known to every
    template and takes the prefix from the template's context.
    """
    environment = Environment(
        loader=PackageLoader("perijove.hub.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"ago": ago, "iso": iso, "seconds_since": seconds_since, "segment": segment}
    environment.globals["static_url"] = _static_url_in_template
    return environment


def ago(then: datetime | None, now: datetime) -> str:
    """Return how long before *now* the moment *then* was, for a person: ``3 minutes ago``; ``never`` for None.

    A moment in the future (clocks differ) is ``just now``; one more than thirty days back is a date in UTC.
    """
    if then is None:
        return "never"
    seconds = int((now - then).total_seconds())
    if seconds < _JUST_NOW_SECONDS:
        return "just now"
    if seconds >= _DAYS_BEFORE_DATE * 86400:
        day = then.astimezone(UTC)
        return f"on {day.day} {_MONTHS[day.month - 1]} {day.year}"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


def iso(moment: datetime | None) -> str:
    """Return *moment* in UTC for the ``datetime`` attribute of ``<time>``, whole seconds; empty for None."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(then: datetime | None, now: datetime) -> int:
    """Return the whole seconds from *then* to *now*, never less than zero; zero for None."""
    return 0 if then is None else max(0, int((now - then).total_seconds()))


def segment(text: str) -> str:
    """Return *text* as one segment of a URL path: everything but letters, digits and ``-._~`` percent-encoded."""
    return quote(text, safe="")


def static_url(path: str, prefix: str) -> str:
    """Return the address of the static file *path* (``css/perijove.css``), with a mark that changes with its content.

    Args:
        path: relative to `STATIC_FOLDER`, with ``/`` between its parts.
        prefix: the hub's prefix, with a slash at both ends.

    Raises:
        OSError: there is no such file; only a wrong template can cause that.
    """
    return f"{prefix}static/{path}?v={_content_hash(path)}"


@lru_cache(maxsize=64)
def _content_hash(path: str) -> str:
    return hashlib.sha256((STATIC_FOLDER / path).read_bytes()).hexdigest()[:12]


@pass_context
def _static_url_in_template(context: Context, path: str) -> str:
    return static_url(path, context["prefix"])
