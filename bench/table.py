"""What was measured, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

REFERENCES = ("configurable-http-proxy", "Traefik", "nginx")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a value per proxy.

    Attributes:
        topic: the name ``--only`` knows it by.
        title: what was measured.
        unit: the unit of the values.
        values: value by name of the proxy.
        more_is_better: whether the largest value is the best.
        target: what is to be reached, in words.
    """

    topic: str
    title: str
    unit: str
    values: dict[str, float]
    more_is_better: bool = True
    target: str = ""


@dataclass(slots=True)
class Result:
    """Figures and remarks of one topic."""

    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def number(value: float) -> str:
    """A number with three digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure], names: Sequence[str], subject: str) -> list[str]:
    """The lines of the table: all values, then *subject* as a multiple of each reference."""
    references = [name for name in REFERENCES if name in names]
    heads = ["figure", *names, *(f"{subject} to {name}" for name in references), "to reach"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 2) + " --- |"]
    for figure in figures:
        cells = [f"{figure.title}, {figure.unit}"]
        cells += [number(figure.values[name]) if name in figure.values else "–" for name in names]
        own = figure.values.get(subject)
        for name in references:
            other = figure.values.get(name)
            cells.append(f"{own / other:.2f} ×" if own is not None and other else "–")
        cells.append(figure.target)
        lines.append("| " + " | ".join(cells) + " |")
    return lines
