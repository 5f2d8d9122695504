"""What a sweep varied, found from its cells: lines of one axis, products of two, things without an order.

A line holds the cells that differ in one axis and are like the base cell in all others. Where the sweep has
named runs instead of a grid, or two cells with the same values, there are no lines: cells stand side by side.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from jaxreg.formatting import strength
from jaxreg.store.results import Results

AXES = {
    "l1": "L1 strength",
    "l2": "L2 strength",
    "dropout": "Dropout rate",
    "batch_norm": "Batch normalisation",
    "depth": "Hidden layers",
    "scaling": "Input scaling",
    "early_stopping": "Early stopping, patience",
    "label_noise": "Share of wrong training labels",
    "pixel_noise": "Share of corrupted training pixels",
}
SHORT = AXES | {
    "l1": "L1",
    "l2": "L2",
    "label_noise": "Wrong labels",
    "pixel_noise": "Corrupted pixels",
    "early_stopping": "Patience",
}
LOGARITHMIC = ("l1", "l2")
UNORDERED = ("batch_norm", "depth", "scaling", "early_stopping")
NEUTRAL = {"0", "false", "off", "nan"}


class Line(NamedTuple):
    """The cells along one axis, in the order of their values."""

    axis: str
    cells: tuple[str, ...]
    labels: tuple[str, ...]
    positions: tuple[float, ...]  # where to draw them; 0 of a logarithmic axis one decade left of the least

    @property
    def logarithmic(self) -> bool:
        return self.axis in LOGARITHMIC

    @property
    def title(self) -> str:
        return AXES[self.axis]

    def label(self, cell: str) -> str:
        """The value of a cell of the line."""
        return self.labels[self.cells.index(cell)]


class Product(NamedTuple):
    """The cells of two axes crossed: `table[second, first]` holds a cell's name or nan."""

    first: str
    second: str
    table: pd.DataFrame
    held: str  # what the other axes are held at, empty where there are none


class Group(NamedTuple):
    """Cells without an order between them, drawn as a list."""

    title: str
    cells: tuple[str, ...]
    labels: tuple[str, ...]


class Layout(NamedTuple):
    """How to draw a sweep. `base` is the cell that the others are compared with, None in a sweep of one."""

    base: str | None
    swept: tuple[str, ...]
    lines: tuple[Line, ...]
    products: tuple[Product, ...]
    groups: tuple[Group, ...]


def arrange(results: Results) -> Layout:
    """Find the lines, products and groups of a sweep from the axis columns of its members."""
    columns = [axis for axis in AXES if axis in results.members]
    cells = results.members.drop_duplicates("cell").set_index("cell")[columns]
    cells = cells.apply(lambda column: column.map(strength))
    swept = tuple(axis for axis in columns if cells[axis].nunique() > 1)
    base = _base(cells, results)
    gridless = "grid" in results.sweep and not results.sweep["grid"]
    if gridless or cells.duplicated().any() or not swept:
        names = tuple(cells.index)
        return Layout(base, swept, (), (), (Group("", names, names),))
    lines, groups = [], []
    start = cells.loc[base] if base else cells.iloc[0]
    for axis in swept:
        others = [other for other in swept if other != axis]
        along = cells[(cells[others] == start[others]).all(axis=1)][axis]
        if len(along) < 2:
            continue
        if axis in UNORDERED or not all(_is_number(value) for value in along):
            rest = along if base is None else along.drop(base)
            groups.append(Group(AXES[axis], tuple(rest.index), tuple(rest)))
        else:
            lines.append(_line(axis, along))
    if groups and base:
        groups.insert(0, Group("", (base,), (base,)))
    return Layout(base, swept, tuple(lines), tuple(_products(cells, swept, start, results)), tuple(groups))


def _base(cells: pd.DataFrame, results: Results) -> str | None:
    """The cell called plain, or the reference of the comparisons, or the most neutral cell."""
    if "plain" in cells.index:
        return "plain"
    neutral = cells.isin(NEUTRAL).sum(axis=1)
    references = [name for name in dict.fromkeys(results.comparisons["reference"]) if name in cells.index]
    best = results.choice("all", "best")
    others = [name for name in references if best is None or name != best["cell"]]
    if others:
        return others[0]
    if references:
        return references[0]
    return str(neutral.idxmax()) if len(cells) > 1 else None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _line(axis: str, along: pd.Series) -> Line:
    along = along.iloc[along.map(float).argsort(kind="stable")]
    values = [float(value) for value in along]
    if axis in LOGARITHMIC and any(values):
        least = math.log10(min(value for value in values if value > 0))
        positions = tuple(math.log10(value) if value > 0 else least - 1 for value in values)
    else:
        positions = tuple(values)
    return Line(axis, tuple(along.index), tuple(along), positions)


def _products(cells: pd.DataFrame, swept: tuple[str, ...], start: pd.Series, results: Results) -> list[Product]:
    """Every pair of axes of which more than two lines was trained, the others held where the best cell is."""
    best = results.choice("all", "best")
    found = []
    for first, second in combinations(swept, 2):
        others = [axis for axis in swept if axis not in (first, second)]
        slices = [start] if best is None or best["cell"] not in cells.index else [cells.loc[best["cell"]], start]
        for held in slices:
            part = cells[(cells[others] == held[others]).all(axis=1)]
            table = part.reset_index().pivot(index=second, columns=first, values="cell")
            if table.count().sum() > len(table.index) + len(table.columns) - 1:
                table = table.loc[_ordered(table.index), _ordered(table.columns)]
                at = ", ".join(f"{SHORT[axis]} = {held[axis]}" for axis in others)
                found.append(Product(first, second, table, at))
                break
    return found


def _ordered(values: pd.Index) -> list[str]:
    return sorted(values, key=lambda value: (0, float(value), "") if _is_number(value) else (1, 0.0, value))
