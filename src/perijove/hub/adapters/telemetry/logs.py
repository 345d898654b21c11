"""Log lines for people: time, level, what happened, then ``key=value``; one line an event, on standard error.

Everything goes through the standard library's root logger, so libraries that log are seen in the same form. The request
id, bound with structlog's context variables, stands in every line that a request caused. Secrets are taken out last,
whoever logged them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from perijove.hub.adapters.redaction import REMOVED, is_secret_name, without_secrets

_QUIET: Final = ("httpx", "httpcore", "alembic", "asyncio", "aiosqlite", "sqlalchemy")
"""Libraries whose progress reports are nobody's concern; their warnings are."""
_OWN_HANDLERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "traitlets", "sqlalchemy")
_STRUCTURE: Final = ("timestamp", "level", "event", "exception", "stack", "logger")
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+~%,<>[]{}")


def remove_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values with secret-looking names, and what looks like a secret inside texts."""
    for key, value in event.items():
        if is_secret_name(key):
            event[key] = REMOVED
        elif isinstance(value, str):
            event[key] = without_secrets(value)
    return event


def render(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    """Return the line of an event; a traceback follows on lines of its own."""
    words = [
        str(event.get("timestamp", "")),
        str(event.get("level", "info")).ljust(7),
        _visible(event.get("event", "")),
    ]
    words += [f"{key}={_value(value)}" for key, value in event.items() if key not in _STRUCTURE]
    details = [str(event[key]) for key in ("exception", "stack") if event.get(key)]
    return "\n".join([" ".join(words).strip(), *details])


def _visible(text: object) -> str:
    """Return *text* on one line, so that nobody can forge a line of the log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in without_secrets(str(text)))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = without_secrets(str(value))
    return text if text and set(text) <= _PLAIN else repr(text)


def configure_logging(level: str | int = "INFO", debug: bool = False, stream: TextIO | None = None) -> None:
    """Send all logging, structlog's and the standard library's, through one handler. May be called again.

    Args:
        level: the least level shown, as a name or a number.
        debug: show everything, what libraries report included.
        stream: where to write; standard error by default.
    """
    least = logging.DEBUG if debug else level.upper() if isinstance(level, str) else level
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                remove_secrets,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if debug else logging.WARNING)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
