"""What was measured, as values, and as a table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")

DIRECT = "no proxy"
"""What stands for the same work without any program between generator and back-end: the most there is to reach."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure is to reach: a limit in the figure's unit, or as a multiple of another program's value.

    Attributes:
        limit: the limit itself.
        than: the program whose value is multiplied with it; empty for a limit in the figure's unit.
        at_least: whether the value must not be below the limit, or else not above it.
        words: how the table puts it, if not as limit and unit.
    """

    limit: float
    than: str = ""
    at_least: bool = True
    words: str = ""

    def text(self, unit: str) -> str:
        """The aim in words."""
        sign = "≥" if self.at_least else "≤"
        return self.words or (f"{sign} {self.limit:g} × {self.than}" if self.than else f"{sign} {self.limit:g} {unit}")

    def verdict(self, figure: Figure, subject: str) -> str:
        """Whether *figure* reaches it."""
        reached = figure.ratio(subject, self.than) if self.than else figure.values.get(subject)
        if reached is None:
            return "not measured"
        return "reached" if (reached >= self.limit if self.at_least else reached <= self.limit) else "**not reached**"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        topic: the name ``--only`` knows it by.
        title: what was measured.
        unit: the unit of the values.
        rounds: by name of the program, what each round saw.
        more_is_better: whether the largest value is the best.
        aims: what is to be reached.
    """

    topic: str
    title: str
    unit: str
    rounds: Mapping[str, Sequence[float]]
    more_is_better: bool = True
    aims: tuple[Aim, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The median of the rounds by name."""
        return {name: median(seen) for name, seen in self.rounds.items()}

    def ratio(self, one: str, other: str) -> float | None:
        """The median of the ratios of *one* to *other* in the same round: what disturbs a round disturbs both."""
        if one not in self.rounds or other not in self.rounds:
            return None
        pairs = zip(self.rounds[one], self.rounds[other], strict=True)
        ratios = [mine / theirs for mine, theirs in pairs if theirs > 0]
        return median(ratios) if ratios else None


@dataclass(slots=True)
class Result:
    """Figures and remarks of one topic."""

    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def in_turns(programs: Mapping[str, P], measure: Callable[[P], T], rounds: int) -> dict[str, list[T]]:
    """Measure all programs in each round, every other round backwards, so that no one always comes first."""
    seen: dict[str, list[T]] = {name: [] for name in programs}
    for number in range(rounds):
        for name in list(programs)[:: -1 if number % 2 else 1]:
            seen[name].append(measure(programs[name]))
    return seen


def number(value: float) -> str:
    """A number with three digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure], names: Sequence[str], subject: str, references: Sequence[str]) -> list[str]:
    """The lines of the table: all values, *subject* as a multiple of each reference, the aims with verdicts."""
    names = [*names, *([DIRECT] if any(DIRECT in figure.rounds for figure in figures) else [])]
    references = [name for name in references if name in names]
    heads = ["figure", *names, *(f"{subject} to {name}" for name in references), "to reach"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 2) + " --- |"]
    for figure in figures:
        values = figure.values
        cells = [f"{figure.title}, {figure.unit}"]
        cells += [number(values[name]) if name in values else "–" for name in names]
        for name in references:
            ratio = figure.ratio(subject, name)
            cells.append("–" if ratio is None else f"{ratio:.2f} ×")
        cells.append("<br>".join(f"{each.text(figure.unit)}: {each.verdict(figure, subject)}" for each in figure.aims))
        lines.append("| " + " | ".join(cells) + " |")
    return lines
