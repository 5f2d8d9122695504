"""Learning curves: one line a strength, light to dark as it grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxreg.axes import AXES
from jaxreg.formatting import number
from jaxreg.measures import MEASURES
from jaxreg.report import folds
from jaxreg.report.figures import style
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import some, tell
from jaxreg.report.layout import Layout
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results

DASHES = ["-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (8, 3))]


Column = tuple[str, tuple[str, ...], tuple[str, ...]]  # title, cells, their labels
MOST_LINES = 6
OFF = " \u2191"  # beyond the scale


def learning(results: Results, layout: Layout) -> list[Picture]:
    """Mean test and train loss after each epoch, a column per axis, or one for unordered cells."""
    history = results.history.merge(results.sound[["member", "cell"]], on="member")
    if history["epoch"].nunique() < 2:
        return []
    means = history.groupby(["cell", "epoch"])[_columns(results)].mean()
    columns: list[Column] = [(AXES[line.axis].short, line.cells, line.labels) for line in layout.lines]
    for listed in layout.lists:
        if listed.title and layout.base:
            columns.append((listed.title, (layout.base, *listed.cells), (layout.base, *listed.labels)))
        elif len(layout.lists) == 1:
            columns.append((listed.title, listed.cells, listed.labels))
    columns = [part for column in columns for part in _parts(column)]
    some = results.curve_examples
    tested = f"{f'{some:,}' if some else 'the'} {folds.scored(results)}"
    tested = f"those of {tested} that a member has not seen" if results.folded else tested
    stopped = set(results.sound.loc[results.sound["stopped_at"].notna(), "cell"])
    words = MEASURES[results.measures.first].words
    return [_figure(means, words, columns[i : i + 2], tested, stopped) for i in range(0, len(columns), 2)]


def _columns(results: Results) -> list[str]:
    return [f"{part}_{results.measures.loss}" for part in ("test", "train")]


def _parts(column: Column) -> list[Column]:
    """A column whose lines can be told apart: of more than twice `MOST_LINES` unordered cells, some in each."""
    title, cells, labels = column
    parts = -(-len(cells) // MOST_LINES) if len(cells) >= 2 * MOST_LINES else 1
    size = -(-len(cells) // parts)
    return [(title, cells[i : i + size], labels[i : i + size]) for i in range(0, len(cells), size)]


def _figure(means: pd.DataFrame, words: str, columns: Sequence[Column], tested: str, stopped: set[str]) -> Picture:
    shown = {cell for _, cells, _ in columns for cell in cells}
    means = means[means.index.get_level_values("cell").isin(shown)]
    figure, axes = style.canvas(6.2, 2, len(columns), sharey="row", sharex=True)
    final = means.groupby("cell").last().iloc[:, 0].min()
    for row, measure in enumerate(means):
        top = max(2.2 * final, 1.05 * float(np.nanmedian(means[measure])))
        floor = 0.0 if row else 0.9 * float(means[measure].min())
        top = min(top, 1.05 * float(means[measure].max()))
        for column, (_, cells, labels) in enumerate(columns):
            _curves(axes[row, column], means[measure], cells, labels, top)
        axes[row, 0].set_ylim(floor, top)
        axes[row, 0].set_ylabel(f"{'Train' if row else 'Test'} {words}")
    for column, (title, _, _) in enumerate(columns):
        axes[1, column].set_xlabel("Epoch")
        axes[1, column].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        key = {"title": title, "alignment": "left"} if title else {}
        across = 3 if len(columns) == 1 else 2
        style.legend(axes[0, column], fontsize=9, ncols=across, columnspacing=1, handlelength=2.8, **key)
    beyond = any(str(line.get_label()).endswith(OFF) for panel in axes[0] for line in panel.get_lines())
    names = [title for title, _, _ in columns if title] or ["all runs"]
    return picture(
        "learning-" + "-".join(name.lower().replace(",", "").replace(" ", "-") for name in names),
        f"Learning curves: test and train {words} after each epoch, {' and '.join(names)}.",
        f"Mean over a cell's members; the test curve is over {tested}, the "
        "train curve the epoch's running mean, without the penalty. "
        "A test curve that turns up is overfitting; one that still falls has not finished."
        + (f" {OFF.strip()}: beyond the scale." if beyond else "")
        + (
            " After the first member of a cell has stopped, its curve is the mean of the others."
            if shown & stopped
            else ""
        ),
        figure,
    )


def _curves(axes: Axes, means: pd.Series, cells: tuple[str, ...], labels: tuple[str, ...], top: float) -> None:
    """The lines of some cells; what lies above `top` from end to end says so in the legend."""
    told = some(means.index.unique("epoch"))
    for epoch in told:
        tell(axes, f"epoch {epoch}", x=float(epoch), head=True)
    for i, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        if cell not in means.index.get_level_values("cell"):
            continue
        curve = means.loc[cell]
        shade = style.SHADES[round(i * (len(style.SHADES) - 1) / max(len(cells) - 1, 1))]
        for epoch, value in curve[curve.index.isin(told)].items():
            tell(axes, f"{label}: {number(value)}", x=float(epoch))
        shown = style.label(label) + OFF * bool(curve.min() > top)
        axes.plot(curve.index, curve, color=shade, linestyle=DASHES[i % len(DASHES)], label=shown)
