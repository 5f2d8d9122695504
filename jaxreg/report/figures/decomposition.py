"""The figure that matters: error in its parts against strength, and what each part changed against the base cell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxreg.axes import AXES, RECIPE
from jaxreg.measures import MEASURES
from jaxreg.report.figures import style
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import estimates
from jaxreg.report.layout import Layout, Line
from jaxreg.report.markdown import text
from jaxreg.report.parts import Picture
from jaxreg.report.summaries import diverged
from jaxreg.store.results import Results

LOSS_NAMES = {
    measure.loss: measure.words for measure in MEASURES.values() if measure.part == "error" and not measure.points
}

_RUINED = 5.0  # times the least error, or the largest gain: beyond that nothing is worth its room


def parted(table: pd.DataFrame) -> bool:
    """Whether the variance between training sets and that between seeds could be told apart."""
    return bool(table["variance_split"].notna().any() and table["variance_seed"].notna().any())


def source(table: pd.DataFrame) -> str:
    """What an undivided variance is over: training sets with their seeds, or seeds alone."""
    return "from seeds (one training set)" if (table["splits"].fillna(0) <= 1).all() else "from data and seeds"


def pairs(lines: Sequence[Line]) -> Iterable[Sequence[Line]]:
    """The lines two by two: a figure holds no more than two panels side by side."""
    return (lines[i : i + 2] for i in range(0, len(lines), 2))


def changes_of(results: Results, layout: Layout, loss: str) -> dict[str, pd.DataFrame]:
    """The paired differences from the base cell in error, bias and variance, as far as they were compared."""
    names = {part: results.measures.of(loss, part) for part in ("error", "bias", "variance")}
    found = {part: results.against(layout.base, name) for part, name in names.items() if name is not None}
    return {part: change for part, change in found.items() if change["difference"].notna().any()}


def strength_figures(results: Results, layout: Layout, loss: str) -> list[Picture]:
    """Bias and variance against strength, a column per axis; below, the paired change against the base."""
    return [_figure(results, layout, lines, loss) for lines in pairs(layout.lines)]


def _figure(results: Results, layout: Layout, lines: Sequence[Line], loss: str) -> Picture:
    table = results.loss(loss)
    changes = changes_of(results, layout, loss)
    paired = bool(changes)
    rows = 2 if paired else 1
    heights = {"height_ratios": [1.25, 1]} if paired else {}
    figure, axes = style.canvas(3.4 * rows - 0.1, rows, len(lines), sharey="row", gridspec_kw=heights)
    cells = list(dict.fromkeys(cell for line in lines for cell in line.cells))
    whole = all(AXES[line.axis].off is RECIPE for line in lines)
    top = _top(table.loc[cells]) if whole else style.ceiling(table.loc[cells, "error"])
    drawn: list[pd.DataFrame] = []
    for column, line in enumerate(lines):
        stack(axes[0, column], line, table, top)
        style.crosses(axes[0, column], line, diverged(results))
        mark_choices(axes[0, column], results, line)
        style.strength_axis(axes[0, column], line, label=not paired)
        if paired:
            drawn += change_panel(axes[1, column], line, changes, layout.base)
            style.strength_axis(axes[1, column], line)
    axes[0, 0].set_ylabel(f"Test {LOSS_NAMES[loss]}")
    figure.legend(
        handles=stack_key(table), ncols=2, loc="outside upper left", columnspacing=1.4, handlelength=2.2
    )  # fmt: skip
    if paired:
        low, high = change_limits(drawn, changes["variance"].loc[cells] if whole and "variance" in changes else None)
        for column, line in enumerate(lines):
            axes[1, column].set_ylim(low, high)
            errors = changes["error"].reindex(line.cells)["difference"]
            style.cap(axes[1, column], line.positions, errors, high)
        axes[1, 0].set_ylabel(f"Change against {style.label(str(layout.base))}")
        style.legend(axes[1, 0], handles=change_key(changes), ncols=3, columnspacing=1.2)
    suffix = "-".join(line.axis for line in lines)
    names = " and ".join(AXES[line.axis].short for line in lines)
    parts = "" if results.folded else " as the sum of its parts; the line with dots is their total, the error"
    caption = (
        f"Top: mean test {LOSS_NAMES[loss]}{parts}. "
        "The best strength is marked, and the strongest that is off it by no more than one standard error of their "
        "difference (1 SE)."
    )
    if paired:
        caption += f" Bottom: what {'it' if results.folded else 'each part'} changed, model paired with model; "
        caption += "below the grey line is better."
    if top is not None:
        caption += " Cells off the scale have their error written at the top (\u2191)."
    if diverged(results).loc[cells, "diverged"].any():
        caption += " Crosses: diverged members, of how many."
    what = "Mean" if results.folded else "Bias, variance and their sum, the"
    alt = f"{what} test {LOSS_NAMES[loss]}, against {names}" + (
        f", with the paired change against {text(layout.base)} below." if paired else "."
    )
    return picture(
        f"bias-variance-{loss.replace('_', '-')}-{suffix}",
        alt,
        caption + " Bands: 95 % intervals.",
        figure,
    )


def _top(rows: pd.DataFrame) -> float | None:
    """Where to cap the stack along an axis that is no strength, such as width: not below the largest variance.

    Unless the error there is several times the least one. A strength that is too large ruins variance as well.
    """
    top = style.ceiling(rows["error"])
    if top is None or rows["variance"].isna().all():
        return top
    peak = float(rows["error"].to_numpy()[np.nanargmax(rows["variance"].to_numpy())])
    return max(top, 1.03 * peak) if peak <= _RUINED * rows["error"].min() else top


def stack(axes: Axes, line: Line, table: pd.DataFrame, top: float | None) -> None:
    """Bias below, the variances on it; the upper edge is the error. A negative part is drawn as nothing."""
    rows = table.loc[list(line.cells)]
    x = np.asarray(line.positions)
    keep = rows["error"].notna().to_numpy()
    rows, x = rows[keep], x[keep]
    if not len(rows):
        axes.set_ylim(0, 1)
        return
    bias = rows["bias"].to_numpy(float)
    axes.fill_between(x, 0, bias, color=style.BIAS_AREA, linewidth=0)
    if parted(table):
        data = bias + np.clip(rows["variance_split"].to_numpy(float), 0, None)
        error = rows["error"].to_numpy(float)
        data = np.where(np.isfinite(data), np.minimum(data, error), error)
        axes.fill_between(x, bias, data, color=style.DATA_AREA, linewidth=0)
        axes.fill_between(x, data, np.maximum(error, data), color=style.SEED_AREA, linewidth=0)
    else:
        axes.fill_between(x, bias, rows["error"], color=style.DATA_AREA, linewidth=0)
    style.curve(axes, x, rows, "bias", band_alpha=0.2, **style.MARKS["bias"])
    style.curve(axes, x, rows, "error", band_alpha=0.13, **style.MARKS["error"])
    estimates(axes, x, rows, told(table))
    axes.set_ylim(0, None)
    if top is not None:
        style.cap(axes, x, rows["error"], top)


def told(table: pd.DataFrame) -> dict[str, str]:
    """What is said of a stack, or of a bar, by column of the decomposition."""
    apart = {"variance_split": "from data", "variance_seed": "from seeds"} if parted(table) else {}
    return {"error": "error", "bias": "bias", "variance": "variance"} | apart


def stack_key(table: pd.DataFrame) -> list[Patch | Line2D]:
    """The legend of `stack`."""
    error = Line2D([], [], label="error = bias + variance", **style.MARKS["error"])
    bias = Patch(facecolor=style.BIAS_AREA, edgecolor=style.BIAS, linestyle="--", label="bias")
    if table["bias"].isna().all():
        return [Line2D([], [], label="error", **style.MARKS["error"])]
    if parted(table):
        return [
            error, bias,
            Patch(color=style.DATA_AREA, label="variance from data"),
            Patch(color=style.SEED_AREA, label="variance from seeds"),
        ]  # fmt: skip
    return [error, bias, Patch(color=style.DATA_AREA, label=f"variance {source(table)}")]


def mark_choices(axes: Axes, results: Results, line: Line) -> None:
    """Upright lines at the best cell of the axis and at the strongest within one standard error of it."""
    best, modest = results.choice(line.axis, "best"), results.choice(line.axis, "one_standard_error")
    for choice, words, dashes in ((best, "best", "-"), (modest, "1 SE", (0, (2, 2)))):
        if choice is None or choice["cell"] not in line.cells:
            continue
        if words == "1 SE" and best is not None and best["cell"] == choice["cell"]:
            continue
        if words == "best" and modest is not None and modest["cell"] == choice["cell"]:
            words = "best = 1 SE"
        x = line.positions[line.cells.index(choice["cell"])]
        side = beside(line, best, modest) if len(words) < 6 else 0
        align = {0: "center", 1: "left", -1: "right"}[side if words == "1 SE" else -side]
        axes.axvline(x, color=style.INK, linewidth=1.0, linestyle=dashes)  # type: ignore[arg-type]
        axes.annotate(
            words, (x, 1.0), xycoords=axes.get_xaxis_transform(), ha=align, va="bottom", fontsize=9.5,
            xytext=(0, 1), textcoords="offset points",
        )  # fmt: skip


def beside(line: Line, best: dict[str, Any] | None, modest: dict[str, Any] | None) -> int:
    """The side (1, -1) to which the modest choice's name must give way to that of the best; 0: neither."""
    if best is None or modest is None or not {best["cell"], modest["cell"]} <= set(line.cells):
        return 0
    first, second = (line.positions[line.cells.index(choice["cell"])] for choice in (best, modest))
    near = abs(second - first) < 0.2 * (max(line.positions) - min(line.positions))
    return (1 if second > first else -1) if near else 0


def change_panel(axes: Axes, line: Line, changes: dict[str, pd.DataFrame], base: str | None) -> list[pd.DataFrame]:
    """The paired differences of error, bias and variance against the base cell, with their intervals."""
    axes.axhline(0, color=style.QUIET, linewidth=1)
    drawn = []
    for name, change in changes.items():
        rows = change.loc[list(line.cells), ["difference", "low", "high"]].astype(float)
        if base in line.cells and rows["difference"].notna().any():
            rows.loc[base] = 0.0  # a cell does not differ from itself
        rows = rows.rename(columns={"low": "difference_low", "high": "difference_high"})
        keep = rows["difference"].notna().to_numpy()
        x = np.asarray(line.positions)[keep]
        style.curve(axes, x, rows[keep], "difference", **style.MARKS[name])
        estimates(axes, x, rows[keep], {"difference": name}, signed=True)
        drawn.append(rows)
    return drawn


def change_limits(drawn: list[pd.DataFrame], variance: pd.DataFrame | None) -> tuple[float, float]:
    """Limits that show what improved and as much again of what grew: a ruined cell would flatten the rest.

    The largest change in variance is shown too, where it is given.
    """
    ends = pd.concat(drawn)[["difference_low", "difference_high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    low, high = (ends.min(), ends.max()) if ends.size else (-1.0, 1.0)
    if low < 0:
        peak = 0.0 if variance is None else float(np.nanmax(variance["difference"], initial=0.0))
        high = min(high, max(-1.5 * low, 1.1 * peak))
    margin = 0.08 * max(high - low, 1e-9)
    return float(low - margin), float(high + margin)


def change_key(parts: Collection[str]) -> list[Patch | Line2D]:
    """The legend of `change_panel`."""
    return [Line2D([], [], label=name, **mark) for name, mark in style.MARKS.items() if name in parts]
