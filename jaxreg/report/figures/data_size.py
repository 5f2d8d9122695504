"""What more data changes: the best strength, and error, bias and variance, against the number of training examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from jaxreg.axes import AXES
from jaxreg.formatting import listing
from jaxreg.measures import MEASURES
from jaxreg.report.data_size import measured
from jaxreg.report.figures import style
from jaxreg.report.figures.painting import picture
from jaxreg.report.parts import Picture
from jaxreg.statistics.data_size import BY_LAW, INSIDE, LARGEST, NONE, SMALLEST
from jaxreg.store.results import Results

SERIES: tuple[dict[str, Any], ...] = (
    {"color": style.INK, "marker": "o"},
    {"color": style.VARIANCE, "marker": "^"},
    {"color": style.BIAS, "marker": "s"},
    {"color": style.QUIET, "marker": "D"},
)
AS_EXPECTED: dict[str, Any] = {"color": style.QUIET, "linestyle": ":", "linewidth": 1.3}
NONE_LOOKS: dict[str, Any] = {"markerfacecolor": "white", "linewidth": 1.1, "alpha": 0.75, "band_alpha": 0.0}


def data_size(results: Results) -> list[Picture]:
    """Left the best strength of each axis and its law, right the error of the best cell and of none in its parts."""
    if results.data_size.empty:
        return []
    figure, axes = style.canvas(3.9, 1, 2)
    left, right = axes[0]
    swept = [axis for axis in dict.fromkeys(results.data_size["axis"]) if axis in results.members]
    handles = []
    for axis, how in zip(swept, SERIES, strict=False):
        _optima(left, results, axis, how)
        handles.append(Line2D([], [], label=AXES[axis].short, **how))
    left.set_yscale("log")
    left.set_ylabel("Best strength")
    handles.append(Line2D([], [], label="as 1/n", **AS_EXPECTED))
    none = _errors(right, results)
    right.set_ylabel(f"Test {MEASURES[results.measures.first].words}")
    style.legend(left, handles=handles, ncols=3, columnspacing=1.0, handlelength=1.6)
    style.legend(right, ncols=3, columnspacing=1.0, handlelength=1.6)
    for panel, sizes in ((left, results.data_size), (right, measured(results))):
        panel.set_xscale("log")
        ticks = sorted(set(sizes["trained_on"]))
        labels = [f"{int(size):,}" for size in ticks]
        panel.set_xticks(ticks, labels, rotation=35, ha="right", rotation_mode="anchor")
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel(f"Training {results.examples_are}")
    open_ones = " and no penalty (open)" if none else ""
    names = listing([AXES[axis].short for axis in swept])
    return [
        picture(
            "data-size",
            f"The best strength of {names}, and error, bias and variance, against the number of training "
            f"{results.examples_are}.",
            "Left: the best strength, between those tried by a parabola, with 95 % intervals and the line fitted to it "
            "(dashed where it goes on; open: all splits together). An arrow: the optimum lies beyond what was "
            f"tried, or none is best. Right: the best cell at each number (filled){open_ones}. Every member takes as "
            f"many steps: those on fewer {results.examples_are} go over them more often.",
            figure,
        )
    ]


def _optima(axes: Axes, results: Results, axis: str, how: dict[str, Any]) -> None:
    rows = results.data_size[results.data_size["axis"] == axis]
    inside, law = rows[rows["position"] == INSIDE], rows[rows["position"] == BY_LAW]
    look: dict[str, Any] = {"fmt": how["marker"], "color": how["color"], "linewidth": 1.3, "capsize": 2}
    for some, face in ((inside, how["color"]), (law, "white")):
        middle = some["optimum"].to_numpy(float)
        spread = np.abs(some[["low", "high"]].to_numpy(float).T - middle)
        axes.errorbar(some["trained_on"], middle, yerr=np.nan_to_num(spread), markerfacecolor=face, **look)
    tried = pd.to_numeric(results.members[axis], errors="coerce")
    tried = tried[tried > 0]
    for sign, end, positions in (("\u2191", tried.max(), [LARGEST]), ("\u2193", tried.min(), [SMALLEST, NONE])):
        sizes = rows.loc[rows["position"].isin(positions), "trained_on"].to_numpy(float)
        axes.plot(sizes, np.full(len(sizes), end), linestyle="", marker=f"${sign}$", markersize=10, color=how["color"])
    slope = float(rows["slope"].iloc[0])
    if not np.isfinite(slope):
        return
    x, y = np.log(inside[["trained_on", "optimum"]].to_numpy(float)).T
    first, last = (float(np.log(end(rows["trained_on"]))) for end in (min, max))

    def through(slope: float, ends: Sequence[float], **look: Any) -> None:
        axes.plot(np.exp(ends), np.exp(y.mean() + slope * (np.asarray(ends) - x.mean())), **look)

    through(slope, (x.min(), x.max()), color=how["color"])
    for ends in ((first, x.min()), (x.max(), last)):
        through(slope, ends, color=how["color"], linestyle=(0, (4, 2)))
    through(-1.0, (first, last), zorder=1, **AS_EXPECTED)


def _errors(axes: Axes, results: Results) -> bool:
    """Error, bias and variance; whether there were cells without a penalty."""
    table, rows = results.loss(results.measures.loss), measured(results).drop_duplicates("trained_on")
    none = rows[rows["none"].notna()]
    for part, mark in style.MARKS.items():
        for column, some, more in (("cell", rows, {"label": part}), ("none", none, NONE_LOOKS)):
            found = table.loc[list(some[column])]
            if found[part].notna().any():
                style.curve(axes, some["trained_on"].to_numpy(float), found, part, **mark, **more)
    axes.set_ylim(0, None)
    return bool(len(none))
