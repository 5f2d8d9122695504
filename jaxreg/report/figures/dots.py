"""Cells without an order between them, a row each: their error in its parts, and the paired change."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxreg.formatting import number
from jaxreg.report.figures import style
from jaxreg.report.figures.decomposition import LOSS_NAMES, change_key, changes_of, parted, stack_key, told
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import estimates, tell
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import text
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results

MOST_ROWS = 200  # a figure has an end


def rows_of(layout: Layout) -> list[tuple[str, str, str]]:
    """The rows from top to bottom: cell, label, and the heading above it where a list begins."""
    return [
        (cell, label, listed.title if i == 0 else "")
        for listed in layout.lists
        for i, (cell, label) in enumerate(zip(listed.cells, listed.labels, strict=True))
    ]


def dot_plots(results: Results, layout: Layout) -> list[Picture]:
    """Left the parts of the error as bars that add up, right the change against the base cell."""
    every, loss = rows_of(layout), results.measures.loss
    rows = every[:MOST_ROWS]
    if not rows:
        return []
    table = results.loss(loss)
    changes = changes_of(results, layout, loss)
    paired = len(rows) > 1 and bool(changes)
    heights, y = [], 0.0
    for _, _, heading in rows:
        y += 1.9 if heading else 1.0
        heights.append(-y)
    figure, axes = style.canvas(1.5 + 0.33 * y, 1, 2 if paired else 1, sharey=True)
    names = [row[0] for row in rows]
    for panel in axes[0]:
        for height, (cell, _, _) in zip(heights, rows, strict=True):
            tell(panel, cell, y=height, head=True)
    _bars(axes[0, 0], heights, table.loc[names], LOSS_NAMES[loss])
    axes[0, 0].set_yticks(heights, [style.label(label) for _, label, _ in rows])
    axes[0, 0].set_ylim(-y - 0.7, -0.3)
    for height, (_, _, heading) in zip(heights, rows, strict=True):
        if heading:
            axes[0, 0].annotate(
                heading, (0, height + 0.55), xycoords=axes[0, 0].get_yaxis_transform(), va="bottom",
                xytext=(4, 0), textcoords="offset points", fontsize=9.5, fontweight="bold",
            )  # fmt: skip
    if paired:
        _changes(axes[0, 1], heights, names, changes)
        axes[0, 1].set_xlabel(f"Change against {style.label(str(layout.base))}")
        style.legend(axes[0, 1], handles=change_key(changes), ncols=3, columnspacing=0.8, handlelength=1.4)
    figure.legend(handles=stack_key(table.loc[names]), ncols=2, loc="outside upper left", columnspacing=1.4)
    bars = table.loc[names, "bias"].notna().any()
    caption = f"{'Bars: bias and variance, which add up to t' if bars else 'T'}he test {LOSS_NAMES[loss]}"
    caption += " (dot, with its 95 % interval)." if bars else " with its 95 % interval."
    if paired:
        caption += (
            " Right: what changed, model paired with model; left of the grey line is better, an interval "
            "that crosses it is no finding."
        )
    return [
        picture(
            f"bias-variance-{loss.replace('_', '-')}-cells",
            f"{'Bias and variance of each' if bars else 'Each'} cell's test {LOSS_NAMES[loss]}, and its change against "
            f"{text(layout.base)}.",
            caption
            + (f" The first {MOST_ROWS} of {len(every)} cells." if len(every) > MOST_ROWS else "")
            + " Values off the scale are written at the right (\u2192).",
            figure,
        )
    ]


def _bars(axes: Axes, heights: list[float], rows: pd.DataFrame, loss: str) -> None:
    parts = ["bias", "variance_split", "variance_seed"] if parted(rows) else ["bias", "variance"]
    colours = [style.BIAS_AREA, style.DATA_AREA, style.SEED_AREA]
    left = np.zeros(len(rows))
    for part, colour in zip(parts, colours, strict=False):
        width = np.clip(np.nan_to_num(rows[part].to_numpy(float)), 0, None)
        axes.barh(heights, width, 0.66, left=left, color=colour, linewidth=0)
        left = left + width
    error = rows["error"].to_numpy(float)
    spread = np.abs(rows[["error_low", "error_high"]].to_numpy(float).T - error)
    axes.errorbar(error, heights, xerr=np.nan_to_num(spread), fmt="o", color=style.INK, markersize=5, linewidth=1.3)
    estimates(axes, heights, rows, told(rows), rows=True)
    axes.set_xlim(0, None)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"Test {loss}")
    _limit(axes, heights, error, style.ceiling(error, 2.2))


def _changes(axes: Axes, heights: list[float], names: list[str], changes: dict[str, pd.DataFrame]) -> None:
    axes.axvline(0, color=style.QUIET, linewidth=1)
    ends = []
    for offset, (name, change) in zip(
        (0.24, 0.0, -0.24) if len(changes) > 1 else (0.0,), changes.items(), strict=False
    ):
        rows = change.loc[names, ["difference", "low", "high"]].astype(float)
        ends_of = {"low": "difference_low", "high": "difference_high"}
        estimates(axes, heights, rows.rename(columns=ends_of), {"difference": name}, signed=True, rows=True)
        middle = rows["difference"].to_numpy()
        spread = np.abs(rows[["low", "high"]].to_numpy().T - middle)
        mark = style.MARKS[name]
        axes.errorbar(
            middle, np.asarray(heights) + offset, xerr=np.nan_to_num(spread), fmt=mark["marker"],
            color=mark["color"], markersize=4.5, linewidth=1.3,
        )  # fmt: skip
        ends.append(rows[["low", "high"]].to_numpy().ravel())
    finite = np.concatenate(ends)
    finite = finite[np.isfinite(finite)]
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if finite.size:
        low, high = min(finite.min(), 0.0), max(finite.max(), 0.0)
        if low < 0:
            high = min(high, -2.5 * low)
        margin = 0.08 * max(high - low, 1e-9)  # cells that are all alike differ by nothing
        axes.set_xlim(low - margin, high + margin)
        error = changes["error"].loc[names, "difference"].to_numpy(float)
        _limit(axes, heights, error, high + margin)


def _limit(axes: Axes, heights: list[float], values: np.ndarray, right: float | None) -> None:
    if right is None:
        return
    axes.set_xlim(axes.get_xlim()[0], right)
    for height, value in zip(heights, values, strict=True):
        if np.isfinite(value) and value > right:
            axes.annotate(
                f"{number(value)}\u2192", (0.99, height), xycoords=axes.get_yaxis_transform(), ha="right",
                va="center", fontsize=9, bbox=style.PATCH,
            )  # fmt: skip
