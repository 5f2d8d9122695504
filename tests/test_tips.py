"""Values under the pointer: each place of a panel has its own area, and they cover it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes

from jaxreg.report.figures import style
from jaxreg.report.figures.tips import MOST_LINES, MOST_PLACES, Area, areas, estimates, some, tell

PLACES = st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True)


def panel(low: float = -60, high: float = 60, scale: str = "linear") -> tuple[style.Figure, Axes]:
    figure, axes = style.canvas(3.0)
    axes[0, 0].set(xlim=(low, high), ylim=(low, high), xscale=scale, yscale=scale)
    figure.draw_without_rendering()
    return figure, axes[0, 0]


def edges(figure: style.Figure, axes: Axes) -> np.ndarray:
    """Of the panel, in points from the upper left corner of the figure: left, top, right, bottom."""
    x0, y0, x1, y1 = axes.get_position().extents
    width, height = figure.get_size_inches() * 72
    return np.array([x0 * width, (1 - y1) * height, x1 * width, (1 - y0) * height])


def middle(figure: style.Figure, axes: Axes, x: float, y: float) -> np.ndarray:
    """Of a place of the data, in the same points."""
    across, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    left, top, right, bottom = edges(figure, axes)
    return np.array([left + across * (right - left), bottom - up * (bottom - top)])


def holds(area: Area, point: np.ndarray) -> bool:
    x, y = point
    return bool(area.x - 1e-6 <= x <= area.x + area.width + 1e-6 and area.y - 1e-6 <= y <= area.y + area.height + 1e-6)


@given(PLACES, st.booleans())
def test_columns_and_rows_cover_the_panel_and_hold_their_own_place(places: list[int], rows: bool) -> None:
    figure, axes = panel()
    for place in places:
        tell(axes, str(place), **{"y" if rows else "x": float(place)})
    found = areas(figure)
    left, top, right, bottom = edges(figure, axes)
    assert sum(area.width * area.height for area in found) == pytest.approx((right - left) * (bottom - top))
    for area in found:
        at = float(area.text)
        place = middle(figure, axes, *((0, at) if rows else (at, 0)))
        assert [one for one in found if holds(one, place)] == [area]
        if rows:
            assert (area.x, area.width) == pytest.approx((left, right - left))
        else:
            assert (area.y, area.height) == pytest.approx((top, bottom - top))


def test_on_a_logarithmic_axis_the_ends_lie_half_way_as_it_is_drawn() -> None:
    figure, axes = panel(0.1, 1000, "log")
    for place in (1.0, 100.0):
        tell(axes, str(place), x=place)
    one, other = areas(figure)
    assert one.x + one.width == pytest.approx(other.x) == pytest.approx(middle(figure, axes, 10, 1)[0])


def test_a_spot_is_as_large_as_a_finger_or_as_it_says() -> None:
    figure, axes = panel()
    tell(axes, "finger", x=0.0, y=0.0)
    tell(axes, "cell", x=20.0, y=20.0, reach=10.0)
    finger, cell = areas(figure)
    assert (finger.width, finger.height) == pytest.approx((14, 14))
    assert holds(cell, middle(figure, axes, 11, 29)) and not holds(cell, middle(figure, axes, 9, 29))


def test_what_is_off_the_panel_has_no_area() -> None:
    figure, axes = panel()
    for place in (0.0, 500.0):
        tell(axes, str(place), x=place)
    assert [area.text for area in areas(figure)] == ["0.0"]


def test_heads_stand_first_nothing_is_said_twice_and_lines_have_an_end() -> None:
    figure, axes = panel()
    table = pd.DataFrame({"a": [0.5, np.nan], "a_low": [0.4, 0.1], "a_high": [0.6, 0.2], "b": [1.0, 2.0]})
    estimates(axes, [0.0, 10.0], table, {"a": "first", "b": "second", "c": "third"})
    for text, head in (("second: 1.00", False), ("head", True), ("strange\n\u202e", False)):
        tell(axes, text, x=0.0, head=head)
    for i in range(30):
        tell(axes, str(i), x=10.0)
    one, other = (area.text.split("\n") for area in areas(figure))
    assert one == ["head", "first: 0.500 (0.400 to 0.600)", "second: 1.00", "strange\ufffd\ufffd"]
    assert len(other) == MOST_LINES + 1 and other[0] == "second: 2.00" and other[-1] == f"and {31 - MOST_LINES} more"


@given(st.integers(1, 2000))
def test_of_many_places_some_are_told_and_the_last_is_among_them(n: int) -> None:
    told = some(pd.RangeIndex(n))
    assert told[-1] == n - 1 and len(told) <= MOST_PLACES and len(set(np.diff(told))) <= 1
    assert len(told) == n or len(told) > MOST_PLACES / 2
