"""A chart of the figures: one block of bars per figure, drawn as SVG by hand so that nothing has to be installed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from table import Figure, number

COLORS = ("#3b6fd4", "#c05b3c", "#4c9a6a", "#8a8f98", "#b08a2e", "#6d4fa3")
WIDTH, BAR, GAP, LEFT, RIGHT, TITLE = 860, 16, 4, 200, 90, 24


def block(figure: Figure, names: Sequence[str], top: int) -> tuple[list[str], int]:
    """The bars of one figure from *top* on, and where the next one starts."""
    values = figure.values
    shown = [(index, name) for index, name in enumerate(names) if name in values]
    longest = max((values[name] for _, name in shown), default=0.0) or 1.0
    better = "more is better" if figure.more_is_better else "less is better"
    lines = [
        f'<text x="8" y="{top + 15}" class="title">{escape(figure.title)}'
        f'<tspan class="unit"> · {escape(figure.unit)} · {better}</tspan></text>'
    ]
    top += TITLE
    for index, name in shown:
        value = values[name]
        width = max(1.0, value / longest * (WIDTH - LEFT - RIGHT))
        middle = top + BAR - 4
        lines += [
            f'<text x="{LEFT - 8}" y="{middle}" class="name">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{COLORS[index % len(COLORS)]}"/>',
            f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{number(value)}</text>',
        ]
        top += BAR + GAP
    return lines, top + 12


def chart(figures: Sequence[Figure], names: Sequence[str]) -> str:
    """All *figures* as one SVG image."""
    lines: list[str] = []
    top = 8
    for figure in figures:
        drawn, top = block(figure, names, top)
        lines += drawn
    style = (
        "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}"
        ".unit{font-weight:400;fill:#57606a}.name{text-anchor:end}"
    )
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}">'
    return "\n".join(
        [
            opening,
            f"<style>{style}</style>",
            f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>',
            *lines,
            "</svg>\n",
        ]
    )
