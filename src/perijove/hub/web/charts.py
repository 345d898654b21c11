"""Charts as SVG: from numbers to the shapes that a template draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil, floor, log10
from typing import Final

from msgspec import Struct

WIDTH: Final = 480
HEIGHT: Final = 160
LEFT: Final = 52
RIGHT: Final = 8
TOP: Final = 10
BOTTOM: Final = 24
STEPS: Final = (1, 2, 5, 10)
LINES: Final = 4
"""How many lines across a chart has at most, beside the one at the bottom."""
BINARY: Final = 1024


class Series(Struct, frozen=True):
    """One row of values, oldest first; None where there is none."""

    key: str
    title: str
    values: Sequence[float | None]


class Shape(Struct, frozen=True):
    """How a series is drawn.

    Attributes:
        key: of the series; decides on its colour.
        title: of the series.
        line: the path of its line; empty for bars and dots.
        area: the path of what is below the line; empty unless it is the only series.
        bars: for each bar its x, y, width and height.
        dots: for each dot its x and y; of a line, its newest value alone.
        last: its newest value.
        highest: its highest value.
        total: all its values together.
    """

    key: str
    title: str
    line: str = ""
    area: str = ""
    bars: tuple[tuple[float, float, float, float], ...] = ()
    dots: tuple[tuple[float, float], ...] = ()
    last: float | None = None
    highest: float | None = None
    total: float = 0


class Chart(Struct, frozen=True):
    """What a template draws.

    Attributes:
        shapes: the series.
        ticks: for each line across its y and its value.
        times: for each word below its x and its time.
        empty: whether there is nothing to see yet.
    """

    shapes: tuple[Shape, ...]
    ticks: tuple[tuple[float, float], ...]
    times: tuple[tuple[float, datetime], ...]
    empty: bool
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def chart(
    times: Sequence[datetime],
    series: Sequence[Series],
    *,
    top: float = 0,
    binary: bool = False,
    bars: bool = False,
    dots: bool = False,
) -> Chart:
    """Return the chart of *series*, all as long as *times*.

    Args:
        times: of the points, oldest first; at least two.
        series: what to draw.
        top: the least value that the chart reaches up to.
        binary: whether steps are powers of 1024, for bytes.
        bars: whether values are drawn as bars, the series beside each other.
        dots: whether they are drawn as dots: values that stand for themselves.
    """
    known = [value for each in series for value in each.values if value is not None]
    step, high = scale(max([*known, top, 0.0]), binary=binary)
    place = _Place(len(times), high)
    shapes = []
    for number, each in enumerate(series):
        present = [value for value in each.values if value is not None]
        drawn = (
            {"bars": place.bars(each.values, number, len(series))}
            if bars
            else {"dots": place.dots(each.values)}
            if dots
            else {
                "line": place.line(each.values),
                "area": place.area(each.values) if len(series) == 1 else "",
                "dots": place.dots([*([None] * (len(times) - 1)), each.values[-1]]),
            }
        )
        shapes.append(
            Shape(
                each.key,
                each.title,
                **drawn,
                last=each.values[-1],
                highest=max(present, default=None),
                total=sum(present),
            )
        )
    count = round(high / step)
    return Chart(
        tuple(shapes),
        tuple((place.y(step * number), step * number) for number in range(count + 1)),
        tuple((place.x(index), times[index]) for index in _marks(len(times))),
        empty=not known or (bars and not any(known)),
    )


def scale(highest: float, *, binary: bool = False) -> tuple[float, float]:
    """Return the distance between two lines and the value at the top, both round, for values up to *highest*."""
    if highest <= 0:
        return 1.0, float(LINES)
    unit = 1.0
    if binary:
        while highest / unit >= BINARY:
            unit *= BINARY
    raw = highest / unit / LINES
    power = 10.0 ** floor(log10(raw))
    step = next(power * each for each in STEPS if power * each >= raw * 0.999) * unit
    if not binary:
        step = max(step, 1.0) if highest >= 1 else step
    return step, step * max(1, ceil(highest / step * 0.999))


def _marks(count: int) -> list[int]:
    """Return the indexes of the points below which a time stands: five of them, evenly."""
    return sorted({round(part * (count - 1) / 4) for part in range(5)})


class _Place:
    """Where a value is in the drawing."""

    def __init__(self, count: int, high: float) -> None:
        self._count = count
        self._high = high

    def x(self, index: float) -> float:
        return round(LEFT + index * (WIDTH - LEFT - RIGHT) / (self._count - 1), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) / self._high, 1)

    def line(self, values: Sequence[float | None]) -> str:
        """Return the path through *values*, with a gap where there is none; a single point is a short dash."""
        parts = []
        for run in _runs(values):
            points = [f"{self.x(index):g} {self.y(value):g}" for index, value in run]
            parts.append(f"M{'L'.join(points)}{'h1' if len(points) == 1 else ''}")
        return "".join(parts)

    def area(self, values: Sequence[float | None]) -> str:
        """Return the path around what is below the line."""
        parts = []
        for run in _runs(values):
            points = [f"{self.x(index):g} {self.y(value):g}" for index, value in run]
            begin, end, ground = self.x(run[0][0]), self.x(run[-1][0]), HEIGHT - BOTTOM
            parts.append(f"M{begin:g} {ground}L{'L'.join(points)}L{end:g} {ground}Z")
        return "".join(parts)

    def dots(self, values: Sequence[float | None]) -> tuple[tuple[float, float], ...]:
        return tuple((self.x(index), self.y(value)) for index, value in enumerate(values) if value is not None)

    def bars(
        self, values: Sequence[float | None], number: int, of: int
    ) -> tuple[tuple[float, float, float, float], ...]:
        """Return the bars of the series *number* *of* several."""
        room = (WIDTH - LEFT - RIGHT) / self._count
        width = max(1.0, round(room * 0.8 / of, 1))
        found = []
        for index, value in enumerate(values):
            if value:
                y = self.y(value)
                x = round(LEFT + index * room + room * 0.1 + number * width, 1)
                found.append((x, y, width, round(HEIGHT - BOTTOM - y, 1)))
        return tuple(found)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the values without gaps between them, each with its index."""
    runs: list[list[tuple[int, float]]] = []
    before: float | None = None
    for index, value in enumerate(values):
        if value is not None:
            if before is None:
                runs.append([])
            runs[-1].append((index, value))
        before = value
    return runs
