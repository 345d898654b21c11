"""Templates of the hub's pages: one environment a language, their filters, and addresses of static files.

Everything is escaped, and a name that a page forgot to pass is an error, not an empty string. Templates get the clock
as a value (``now``) and the hub's prefix (``base_url``, as upstream calls it), so the same input always gives the same
page. An operator's own templates are found first; ``templates/home.html`` is always ours, to be extended.
"""

from __future__ import annotations

import gettext
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Final
from urllib.parse import quote

import jinja2
from jinja2 import (
    BaseLoader,
    BytecodeCache,
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    Undefined,
    pass_context,
)
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup, escape

import perijove
from perijove.hub.core.texts import in_language, mark
from perijove.hub.web.languages import LANGUAGES, SOURCE, texts

STATIC_FOLDER: Final = Path(__file__).parent / "static"
"""Where the static files are; served under ``<prefix>static/``."""

OURS: Final = "templates"
"""The folder under whose name an operator's templates find ours."""

_CODE: Final = re.compile("`([^`\n]+)`")
_JUST_NOW_SECONDS = 10
_DAYS_BEFORE_DATE = 30
_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60))
_MONTHS: Final = (
    mark("January"),
    mark("February"),
    mark("March"),
    mark("April"),
    mark("May"),
    mark("June"),
    mark("July"),
    mark("August"),
    mark("September"),
    mark("October"),
    mark("November"),
    mark("December"),
)


class Compiled(FileSystemBytecodeCache):
    """What templates were compiled to, from one start to the next; what cannot be kept or read is compiled again."""

    def __init__(self, folder: Path) -> None:
        """Use *folder*, which is made if need be. Code is read from it, so it must be for this process's user only."""
        versions = f"{perijove.__version__}-{jinja2.__version__}-"
        super().__init__(str(folder), f"{versions}%s")
        self._usable = False
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            seen = folder.lstat()
            self._usable = S_ISDIR(seen.st_mode) and not seen.st_mode & 0o022 and seen.st_uid == os.geteuid()
            for old in (path for path in folder.iterdir() if self._usable and not path.name.startswith(versions)):
                old.unlink()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill *bucket* if it is kept."""
        if not self._usable:
            return
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever unpickling half a file raises
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep *bucket* if there is room."""
        if self._usable:
            with suppress(OSError):
                super().dump_bytecode(bucket)


class Templates:
    """The templates of all pages, in all languages."""

    def __init__(self, folders: Sequence[str] = (), compiled: Path | None = None) -> None:
        """Look for templates in *folders* first, an operator's own, then in ours; keep them compiled in *compiled*."""
        kept = None if compiled is None else Compiled(compiled)
        self._environments = {language: make_environment(language, folders, kept) for language in LANGUAGES}

    def render(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        """Return the text of the template *name*, in one of `LANGUAGES`. Raises jinja2.TemplateError."""
        return self._environments[language].get_template(name).render(values, language=language)


def make_environment(
    language: str = SOURCE, folders: Sequence[str] = (), kept: BytecodeCache | None = None
) -> Environment:
    """Return the environment that renders the hub's pages in *language*.

    Its filters are ``ago``, ``span``, ``iso``, ``seconds_since``, ``segment``, ``size`` and ``coded``;
    ``static_url("css/x.css")`` is known to every template and takes the prefix from the template's context;
    ``operators_html(text)`` renders one that an operator wrote in the configuration. Where there are templates of an
    operator's, a name that was not passed is empty, as it is upstream.
    """
    translations = texts(language)
    environment = Environment(
        loader=_loader(folders),
        autoescape=True,
        undefined=Undefined if folders else StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=kept,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The old style: what `_()` returns is escaped like any text, so that a message may come from anywhere.
    install: Callable[..., None] = getattr(environment, "install_gettext_callables")  # noqa: B009 - made by i18n
    install(partial(in_language, translate=translations.gettext), translations.ngettext, newstyle=False)
    environment.filters |= {
        "ago": partial(ago, translations=translations),
        "span": partial(span, translations=translations),
        "iso": iso,
        "seconds_since": seconds_since,
        "segment": segment,
        "size": size,
        "coded": coded,
    }
    environment.globals["static_url"] = _static_url_in_template
    environment.globals["operators_html"] = _operators_html
    return environment


def _loader(folders: Sequence[str]) -> BaseLoader:
    ours = PackageLoader("perijove.hub.web", "templates")
    return ChoiceLoader([PrefixLoader({OURS: ours}), FileSystemLoader(list(folders)), ours])


_ENGLISH: Final = gettext.NullTranslations()


def ago(then: datetime | None, now: datetime, translations: gettext.NullTranslations = _ENGLISH) -> str:
    """Return how long before *now* the moment *then* was, for a person: ``3 minutes ago``; ``never`` for None.

    A moment in the future (clocks differ) is ``just now``; one more than thirty days back is a date in UTC.
    """
    if then is None:
        return translations.gettext("never")
    seconds = int((now - then).total_seconds())
    if seconds < _JUST_NOW_SECONDS:
        return translations.gettext("just now")
    if seconds >= _DAYS_BEFORE_DATE * 86400:
        day = then.astimezone(UTC)
        month = translations.gettext(_MONTHS[day.month - 1])
        return translations.gettext("on %(day)s %(month)s %(year)s") % {
            "day": day.day,
            "month": month,
            "year": day.year,
        }
    unit, length = _unit_of(seconds)
    count = seconds // length
    ngettext = translations.ngettext
    text = {
        "day": ngettext("%(count)s day ago", "%(count)s days ago", count),
        "hour": ngettext("%(count)s hour ago", "%(count)s hours ago", count),
        "minute": ngettext("%(count)s minute ago", "%(count)s minutes ago", count),
        "second": ngettext("%(count)s second ago", "%(count)s seconds ago", count),
    }[unit]
    return text % {"count": count}


def span(seconds: float, translations: gettext.NullTranslations = _ENGLISH) -> str:
    """Return a length of time for a person, rounded in its largest unit: ``2 hours``; at least ``0 seconds``."""
    unit, length = _unit_of(seconds)
    count = max(0, round(seconds / length))
    ngettext = translations.ngettext
    text = {
        "day": ngettext("%(count)s day", "%(count)s days", count),
        "hour": ngettext("%(count)s hour", "%(count)s hours", count),
        "minute": ngettext("%(count)s minute", "%(count)s minutes", count),
        "second": ngettext("%(count)s second", "%(count)s seconds", count),
    }[unit]
    return text % {"count": count}


def _unit_of(seconds: float) -> tuple[str, int]:
    """Return the largest unit that goes into so many seconds, and its length in seconds."""
    return next((unit for unit in _UNITS if seconds >= unit[1]), ("second", 1))


def size(count: float) -> str:
    """Return a number of bytes for a person: ``1.5 GB``, in powers of 1024."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


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


def coded(text: str) -> Markup:
    """Return *text* with what stands between two backticks, on one line, as code; all of it escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


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
def _operators_html(context: Context, source: str) -> Markup:
    """Return what a template of the operator's makes of the page's values, and of upstream's names for some of them."""
    values = context.get_all()
    upstream = {"xsrf": values["xsrf_token"], "login_error": values["error"]}
    return Markup(context.environment.from_string(source).render({**values, **upstream}))  # noqa: S704 - trusted


@pass_context
def _static_url_in_template(context: Context, path: str) -> str:
    return static_url(path, context["base_url"])
