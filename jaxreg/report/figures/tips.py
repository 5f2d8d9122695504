"""Values under the pointer: what is said of each place of a figure, in the page that has it as SVG.

A place is a column of a panel (one strength, one epoch), a row of it (one cell), or a spot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg.formatting import estimate, known, printable

MOST_LINES = 15
MOST_PLACES = 50  # of one panel: more are no wider than a pointer
SPOT = 7.0  # points from the middle of a spot to its edge
POINTS = 72  # an inch


Place = tuple[float | None, float | None]


class Tip(NamedTuple):
    """A line that is said of a place: at `x`, at `y`, both in units of the data, or at both within `reach`."""

    axes: Axes
    text: str
    x: float | None
    y: float | None
    head: bool  # it stands above the others of its place
    reach: float | None  # in units of the data; as much as a finger needs where there is none


class Sheet(Figure):
    """A figure that knows what is said of its places."""

    tips: list[Tip]


class Area(NamedTuple):
    """A rectangle of the page, in points from its upper left corner, and what is said there, line by line."""

    x: float
    y: float
    width: float
    height: float
    text: str


def tell(
    axes: Axes,
    text: str,
    x: float | None = None,
    y: float | None = None,
    head: bool = False,
    reach: float | None = None,
) -> None:
    """Say a line of a column (`x`), a row (`y`) or a spot (both). What others wrote may be in it."""
    cast(Sheet, axes.get_figure(root=True)).tips.append(Tip(axes, printable(text), x, y, head, reach))


def estimates(
    axes: Axes,
    places: Sequence[float] | np.ndarray,
    table: Any,
    said: Mapping[str, str],
    signed: bool = False,
    rows: bool = False,
) -> None:
    """Say of each place the row of the table that belongs to it.

    Args:
        places: of the columns of the panel, or of its `rows`.
        said: the columns of the table, with words for each; `NAME_low` and `NAME_high` are its interval.
    """
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        for name, words in said.items():
            if known(row.get(name)):
                text = f"{words}: {estimate(row[name], row.get(f'{name}_low'), row.get(f'{name}_high'), signed)}"
                tell(axes, text, None if rows else float(place), float(place) if rows else None)


def some(places: Any) -> Any:
    """All places, or as many as a panel may have, at even steps to the last."""
    return places[:: -(1 + (len(places) - 1) // MOST_PLACES)][::-1]


def areas(figure: Figure) -> list[Area]:
    """Where what is said is shown, in a figure that has been drawn. What is said twice of a place is said once."""
    said: dict[Axes, dict[Place, list[Tip]]] = defaultdict(lambda: defaultdict(list))
    for tip in figure.tips if isinstance(figure, Sheet) else ():
        said[tip.axes][tip.x, tip.y].append(tip)
    return [area for axes, places in said.items() for area in _of_panel(figure, axes, places)]


def _of_panel(figure: Figure, axes: Axes, places: dict[Place, list[Tip]]) -> list[Area]:
    scale = POINTS / figure.dpi
    left, bottom, right, top = (float(edge) * scale for edge in axes.bbox.extents)
    middles = [axes.transData.transform(_at(axes, *place)) * scale for place in places]
    columns = _bounds([float(middle[0]) for middle in middles], left, right)
    rows = _bounds([float(middle[1]) for middle in middles], bottom, top)
    found = []
    for ((x, y), tips), column, row in zip(places.items(), columns, rows, strict=True):
        (x0, x1), (y0, y1) = column if y is None else (left, right), row if x is None else (bottom, top)
        if x is not None and y is not None:
            (x0, y0), (x1, y1) = (corner.tolist() for corner in _spot(axes, x, y, tips[0].reach, scale))
        if x1 > x0 and y1 > y0:
            found.append(Area(x0, figure.get_figheight() * POINTS - y1, x1 - x0, y1 - y0, _text(tips)))
    return found


def _at(axes: Axes, x: float | None, y: float | None) -> tuple[float, float]:
    return axes.get_xlim()[0] if x is None else x, axes.get_ylim()[0] if y is None else y


def _bounds(places: list[float], low: float, high: float) -> list[tuple[float, float]]:
    """Of each place, half of the way to the next one on either side; the panel ends at `low` and `high`."""
    order = np.argsort(places, kind="stable")
    middles = [(places[i] + places[j]) / 2 for i, j in pairwise(order)]
    edges = np.clip([low, *middles, high], low, high)
    return [(float(edges[k]), float(edges[k + 1])) for k in np.argsort(order)]


def _spot(axes: Axes, x: float, y: float, reach: float | None, scale: float) -> np.ndarray:
    """Its lower left and its upper right corner [2, 2]."""
    if reach is None:
        return axes.transData.transform((x, y)) * scale + np.array([[-SPOT], [SPOT]])
    return axes.transData.transform([(x - reach, y - reach), (x + reach, y + reach)]) * scale


def _text(tips: list[Tip]) -> str:
    lines = list(dict.fromkeys(tip.text for tip in sorted(tips, key=lambda tip: not tip.head)))
    rest = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], f"and {rest} more"] if rest > 0 else lines)
