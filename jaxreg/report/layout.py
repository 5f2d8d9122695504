"""What a sweep varied, found from its cells: lines of one axis, products of two, lists of what has no order.

A line holds the cells that differ in one axis and are like the base cell in all others. Where the sweep has
named runs instead of a grid, or two cells with the same values, there are no lines: cells stand side by side.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from jaxreg.axes import AXES, Axis, present, reference, unregularised, varies_network
from jaxreg.formatting import value_text
from jaxreg.report.markdown import code
from jaxreg.store.results import Results


class Line(NamedTuple):
    """The cells along one axis, in the order of their values."""

    axis: str
    cells: tuple[str, ...]
    labels: tuple[str, ...]
    positions: tuple[float, ...]  # where to draw them; 0 on a logarithmic axis, and no limit, stand a step apart

    @property
    def logarithmic(self) -> bool:
        return AXES[self.axis].scale == "log"

    @property
    def unlimited(self) -> bool:
        """Whether its last value is no limit."""
        return AXES[self.axis].number(self.labels[-1]) == math.inf

    @property
    def title(self) -> str:
        return AXES[self.axis].title

    @property
    def short(self) -> str:
        return AXES[self.axis].short

    def label(self, cell: str) -> str:
        """The value of a cell of the line."""
        return self.labels[self.cells.index(cell)]


class Product(NamedTuple):
    """The cells of two axes crossed: `table[second, first]` holds a cell's name or nan."""

    first: str
    second: str
    table: pd.DataFrame
    held: str  # what the other axes are held at, empty where there are none


class CellList(NamedTuple):
    """Cells without an order between them, drawn a row each."""

    title: str
    cells: tuple[str, ...]
    labels: tuple[str, ...]


class Layout(NamedTuple):
    """How to draw a sweep."""

    base: str | None  # the cell that the others were compared with; None where no member is sound
    base_is_none: bool  # whether that is "no regularisation": called plain, with everything off, of the one network
    swept: tuple[str, ...]
    lines: tuple[Line, ...]
    products: tuple[Product, ...]
    lists: tuple[CellList, ...]
    base_network: str = ""  # which of several networks it is, where cells name another one

    def introduced(self, cell: str | None) -> str:
        """A cell where it is first spoken of: its name as code, and what `plain` means."""
        if cell != self.base:
            return code(cell)
        if self.base_network and cell == "plain":
            return f"{code(cell)} ({self.base_network}, no regularisation)"
        return f"no regularisation ({code(cell)})" if self.base_is_none else code(cell)


def arrange(results: Results) -> Layout:
    """Find the lines, products and lists of a sweep from the axis columns of its members."""
    columns = present(results.members)
    cells = results.members.drop_duplicates("cell").set_index("cell")[columns]
    cells = cells.apply(lambda column: column.map(value_text))
    swept = tuple(axis for axis in columns if cells[axis].nunique() > 1)
    rows = {str(name): dict(row) for name, row in cells.iterrows()}
    sound = set(results.sound["cell"])
    asked = results.record.get("reference")
    # As the statistics found it.
    base = asked if asked in sound else reference({name: row for name, row in rows.items() if name in sound})
    # Where networks vary, no regularisation is more than one cell.
    bare = base == "plain" and unregularised(rows[base])
    varied = [axis for axis in swept if varies_network(axis)]
    is_none, network = bare and not varied, ", ".join(code(f"{axis}={rows['plain'][axis]}") for axis in varied if bare)
    gridless = "grid" in results.sweep and not results.sweep["grid"]
    if gridless or cells.duplicated().any() or not swept:
        names = tuple(cells.index)
        return Layout(base, is_none, swept, (), (), (CellList("", names, names),))
    lines, lists = [], []
    origin = asked if asked in rows else reference(rows)  # the base, unless all of its members diverged
    head = list(dict.fromkeys(name for name in (base, origin) if name))
    start = cells.loc[origin]
    for axis in swept:
        others = [other for other in swept if other != axis]
        along = cells[(cells[others] == start[others]).all(axis=1)][axis]
        if len(along) < 2:
            continue
        if AXES[axis].scale is None or not all(_has_a_place(AXES[axis], value) for value in along):
            rest = along.drop(head, errors="ignore")
            lists += [CellList(AXES[axis].title, tuple(rest.index), tuple(rest))] if len(rest) else []
        else:
            lines.append(_line(axis, along))
    if lists:
        lists.insert(0, CellList("", tuple(head), tuple(head)))
    products = tuple(_products(cells, swept, start, results))
    return Layout(base, is_none, swept, tuple(lines), products, tuple(lists), network)


def _has_a_place(axis: Axis, text: str) -> bool:
    """Whether a value lies on the line of its axis: a number, or no limit, which lies beyond all of them."""
    return _is_number(text) or axis.number(text) == math.inf


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _line(axis: str, along: pd.Series) -> Line:
    number = AXES[axis].number
    along = along.iloc[along.map(number).argsort(kind="stable")]
    values = [number(value) for value in along]
    finite = [value for value in values if math.isfinite(value)]
    if AXES[axis].scale == "log" and any(finite):
        least, most = (math.log10(end([value for value in finite if value > 0])) for end in (min, max))
        places = {0.0: least - 1, math.inf: most + 1}
        positions = tuple(places[value] if value in places else math.log10(value) for value in values)
    else:
        step = (max(finite) - min(finite)) / max(len(finite) - 1, 1) or 1.0 if finite else 1.0
        positions = tuple(value if math.isfinite(value) else max(finite, default=0.0) + step for value in values)
    return Line(axis, tuple(along.index), tuple(along), positions)


def _products(cells: pd.DataFrame, swept: tuple[str, ...], start: pd.Series, results: Results) -> list[Product]:
    """Pairs of axes of which half of the values were crossed, and more than two lines; others are held at the best."""
    best = results.choice("all", "best")
    found = []
    for first, second in combinations(swept, 2):
        others = [axis for axis in swept if axis not in (first, second)]
        slices = [start] if best is None or best["cell"] not in cells.index else [cells.loc[best["cell"]], start]
        for held in slices:
            part = cells[(cells[others] == held[others]).all(axis=1)]
            table = part.reset_index().pivot(index=second, columns=first, values="cell")
            crossed = table.count().sum() > len(table.index) + len(table.columns) - 1
            if crossed and 2 * table.count().sum() >= table.size:
                table = table.loc[_ordered(table.index), _ordered(table.columns)]
                at = ", ".join(f"{AXES[axis].short} = {held[axis]}" for axis in others)
                found.append(Product(first, second, table, at))
                break
    return found


def _ordered(values: pd.Index) -> list[str]:
    return sorted(values, key=lambda value: (0, float(value), "") if _is_number(value) else (1, 0.0, value))
