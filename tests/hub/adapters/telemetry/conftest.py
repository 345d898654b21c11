"""Every kind of fact, and logging put back after each test."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from msgspec.structs import fields

from perijove.hub.core.events import kinds
from perijove.hub.core.facts import Fact


def example(kind: Any) -> Fact:
    values: dict[str, Any] = {"server": "alice/lab", "user": "alice", "owner": "alice", "by": "root", "reason": "why"}
    values |= {"name": "mallory", "seconds": 1.25, "routes": 3, "added": 2, "deleted": 1, "token": "a7"}
    plain = {"str": "text", "int": 1, "float": 1.5, "bool": True}
    fact: Fact = kind(**{field.name: values.get(field.name, plain[field.type.__name__]) for field in fields(kind)})
    return fact


@pytest.fixture(params=kinds(), ids=lambda kind: kind.__name__)
def fact(request: pytest.FixtureRequest) -> Fact:
    """One fact of each kind in turn."""
    return example(request.param)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    names = [
        "",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "traitlets",
        "sqlalchemy",
        "httpx",
        "httpcore",
        "alembic",
    ]
    names += ["asyncio", "aiosqlite"]
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in names}
    show = warnings.showwarning
    yield
    logging.captureWarnings(False)
    warnings.showwarning = show
    for name, (level, handlers) in before.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers
    root.disabled = False
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
