"""Fixtures every test may use, and the closing report. What one package needs belongs in its own conftest."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import pytest

TIERS = ("e2e", "components", "conformance")
LONGEST_TEST = 300  # seconds, fixtures included; a test that hangs fails and the others go on


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its tier, which is the folder it is in."""
    for item in items:
        folder = item.path.relative_to(config.rootpath / "tests").parts[0]
        if folder in TIERS:
            item.add_marker(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that hangs."""

    def too_long(_signum: int, _frame: FrameType | None) -> None:
        # Of all exceptions only this kind leaves every event loop, uvloop's included; pytest counts it as a failure.
        raise SystemExit(f"{item.nodeid} took more than {LONGEST_TEST} s")

    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_TEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line each what was left out and why; pytest's own summary follows as the last line."""
    lines = [line for line in os.environ.get("PERIJOVE_TESTS_LEFT_OUT", "").splitlines() if line]
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    lines += [f"{count} {'test' if count == 1 else 'tests'}: {reason}" for reason, count in sorted(skipped.items())]
    if lines:
        terminalreporter.section("left out")
    for line in lines:
        terminalreporter.write_line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").strip()
