from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perijove.hub.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series, chart, scale

TIMES = [datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=number) for number in range(5)]


def drawn(*values: float | None, **options: bool) -> Chart:
    return chart(TIMES, [Series("x", "X", list(values))], **options)


@pytest.mark.parametrize(
    ("highest", "step", "top"),
    [(0, 1, 4), (1, 1, 1), (3, 1, 3), (4, 1, 4), (5, 2, 6), (100, 50, 100), (0.5, 0.2, 0.6), (49_999, 20_000, 60_000)],
)
def test_lines_across_stand_at_round_values(highest: float, step: float, top: float) -> None:
    assert scale(highest) == pytest.approx((step, top))


def test_bytes_are_round_in_powers_of_1024() -> None:
    assert scale(125 * 1024**2, binary=True) == (50 * 1024**2, 150 * 1024**2)
    assert scale(1.5 * 1024**3, binary=True) == (0.5 * 1024**3, 1.5 * 1024**3)


def test_a_line_goes_from_left_to_right_and_has_gaps() -> None:
    (shape,) = drawn(4, 0, None, 2, None).shapes
    step = (WIDTH - LEFT - RIGHT) / 4
    ground = HEIGHT - BOTTOM
    assert shape.line == f"M{LEFT} {TOP}L{LEFT + step:g} {ground}M{LEFT + 3 * step:g} {(TOP + ground) / 2:g}h1"
    assert shape.area.count("Z") == 2
    assert (shape.last, shape.highest, shape.total, shape.dots) == (None, 4, 6, ())
    assert drawn(1, 1, 1, 1, 3).shapes[0].dots == ((WIDTH - RIGHT, TOP),)


def test_two_lines_have_no_areas() -> None:
    two = chart(TIMES, [Series(key, key, [1] * 5) for key in "ab"])
    assert [shape.area for shape in two.shapes] == ["", ""]


def test_bars_stand_beside_each_other_and_zeros_are_none() -> None:
    both = chart(TIMES, [Series("a", "A", [1, 0, None, 2, 0]), Series("b", "B", [1, 0, 0, 0, 0])], bars=True)
    first, second = both.shapes[0].bars, both.shapes[1].bars
    assert (len(first), len(second)) == (2, 1)
    x, y, width, height = first[0]
    assert (y + height, second[0][0]) == pytest.approx((HEIGHT - BOTTOM, x + width))
    assert first[1][3] == HEIGHT - BOTTOM - TOP


def test_dots_stand_for_themselves() -> None:
    (shape,) = drawn(None, 1.0, None, None, 2.0, dots=True).shapes
    assert (len(shape.dots), shape.line) == (2, "")


def test_nothing_to_see_is_told() -> None:
    assert drawn(None, None, None, None, None).empty
    assert drawn(0, 0, 0, 0, 0, bars=True).empty
    assert not drawn(0, 0, 0, 0, 0).empty


def test_a_chart_reaches_a_given_height_and_tells_five_times() -> None:
    high = chart(TIMES, [Series("x", "X", [1] * 5)], top=10)
    assert high.ticks[-1] == (TOP, 10)
    assert [at for _, at in high.times] == TIMES
