"""Pages of results: what one consists of, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from processes import machine
from table import Result, table


class Setup(Protocol):
    """What is started once for all topics of a page.

    Attributes:
        names: the programs compared, ours first.
        left_out: a sentence for each that could not be had.
    """

    names: list[str]
    left_out: list[str]

    def versions(self) -> list[str]:
        """The version of each program, by name."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of results.

    Attributes:
        name: of the files in ``results``.
        title: of the page.
        references: the programs that ours is put in relation to.
        topics: what ``--only`` chooses from, in the order of the table; each measures on the set-up.
        open: starts the set-up, given a folder for its files. May raise CannotMeasure.
        packages: what it needs, by program: package of Debian.
    """

    name: str
    title: str
    references: Sequence[str]
    topics: Mapping[str, Callable[[Any], Result]]
    open: Callable[[Path], AbstractContextManager[Setup]]
    packages: Mapping[str, str]


def text_of(page: Page, setup: Setup, result: Result, load: float, seconds: float) -> str:
    """The whole page in Markdown; *load* is the load average before, *seconds* how long it took."""
    lines = [
        f"# {page.title}",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {machine()} · load average before: {load:.2f} · {seconds:.0f} s  ",
        " · ".join(setup.versions()),
        "",
        "`make bench` measures this again; bench/README.md says how, and how to read it. Columns “to” are",
        "ratios, each the median of those of the rounds.",
        "",
        *table(result.figures, setup.names, setup.names[0], page.references),
        "",
        f"![The same as bars]({page.name}.svg)",
    ]
    remarks = [*setup.left_out, *result.remarks]
    if load > 0.5:
        remarks.append("Other programs were at work: figures by CPU second tell more than those by second.")
    for remark in remarks:
        lines += ["", remark]
    return "\n".join(lines) + "\n"
