"""The answer as a picture: what each cell changes, in each measure that somebody may care about."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxreg.formatting import estimate, listing, number
from jaxreg.measures import MEASURES
from jaxreg.report.advice import scopes
from jaxreg.report.figures import style, tips
from jaxreg.report.figures.painting import picture
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code, text
from jaxreg.report.parts import Picture
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.store.results import Results

MOST_ROWS = 40


def changes(results: Results, layout: Layout) -> list[Picture]:
    """A row a cell, a panel a measure: the paired change against the base, filled where told from 0."""
    cells = [cell for cell in results.cells if cell != layout.base]
    tables = {measure: results.against(layout.base, measure) for measure in results.measures.shown}
    tables = {measure: table.reindex(cells) for measure, table in tables.items() if table["difference"].notna().any()}
    if not cells or not tables:
        return []
    if len(cells) > MOST_ROWS:  # the best and the worst say most
        order = tables[next(iter(tables))]["difference"].sort_values(na_position="last").index
        kept = {*order[: MOST_ROWS - 5], *order[-5:]}
        cells = [cell for cell in cells if cell in kept]
    heights = -np.arange(len(cells), dtype=float)
    figure, axes = style.canvas(1.15 + 0.27 * len(cells), 1, len(tables), sharey=True)
    for panel, (measure, table) in zip(axes[0], tables.items(), strict=True):
        _panel(panel, heights, table.loc[cells], *_look(measure))
        _tell(panel, heights, table.loc[cells], measure)
    axes[0, 0].set_yticks(heights, [style.label(cell) for cell in cells])
    axes[0, 0].set_ylim(heights[-1] - 0.6, 0.6)
    parts, _ = scopes(results, layout)
    most = f" The {MOST_ROWS} of most interest." if len(results.cells) - 1 > MOST_ROWS else ""
    return [
        picture(
            "answer",
            f"The change of each cell against {text(layout.base)} in "
            f"{listing([MEASURES[measure].words for measure in tables])}.",
            f"Change against {code(layout.base)} on {parts.examples}, model paired with model, with 95 % intervals. "
            "**Filled: significant** after correction for the number of cells; open: may be chance. The shaded side is "
            f"better. Arrows: beyond the panel.{most}",
            figure,
        )
    ]


def _look(measure: str) -> tuple[str, float, int]:
    """Title, factor, and which way is better."""
    title = MEASURES[measure].title
    return (f"{title[0].upper()}{title[1:]}", *((-100.0, 1) if MEASURES[measure].points else (1.0, -1)))


def _panel(axes: Axes, heights: np.ndarray, rows: pd.DataFrame, title: str, factor: float, better: int) -> None:
    middle = factor * rows["difference"].to_numpy(float)
    ends = factor * rows[["low", "high"]].to_numpy(float)
    low, high = _limits(middle, ends, better)
    edge = 0.04 * (high - low)  # a dot has a width
    inside = (middle >= low + edge) & (middle <= high - edge)
    axes.axvspan(*((low, 0) if better < 0 else (0, high)), color=style.BETTER_AREA, linewidth=0, zorder=0)
    axes.axvline(0, color=style.QUIET, linewidth=1)
    told = (rows["verdict"] != UNDECIDED).to_numpy() & np.isfinite(middle)
    for some, face in ((told, style.INK), (~told, "white")):
        kept = some & inside
        axes.errorbar(
            middle[kept], heights[kept], xerr=np.nan_to_num(np.abs(ends[kept] - middle[kept, None]).T), fmt="o",
            color=style.INK, markerfacecolor=face, markersize=5, linewidth=1.2,
        )  # fmt: skip
    for height, value, sure in zip(heights[~inside], middle[~inside], told[~inside], strict=True):
        if np.isfinite(value):
            right, mark = value > high - edge, "\u25cf" if sure else "\u25cb"
            shown = f"{'+' if value > 0 else ''}{number(value, 2)}"
            axes.annotate(
                f"{shown} {mark}\u2192" if right else f"\u2190{mark} {shown}",
                (0.99 if right else 0.01, height), xycoords=axes.get_yaxis_transform(),
                ha="right" if right else "left", va="center", fontsize=9.5,
            )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_title(title, loc="left")
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))


def _tell(axes: Axes, heights: np.ndarray, rows: pd.DataFrame, measure: str) -> None:
    title, factor, _ = _look(measure)
    for height, (cell, row) in zip(heights, rows.iterrows(), strict=True):
        if np.isfinite(row["difference"]):
            low, high = sorted((factor * row["low"], factor * row["high"]))
            told = "significant" if row["verdict"] != UNDECIDED else "may be chance"
            said = f"{estimate(factor * row['difference'], low, high, signed=True)}, {told}"
            tips.tell(axes, f"{cell}: {title[0].lower()}{title[1:]} {said}", y=float(height))


def _limits(middle: np.ndarray, ends: np.ndarray, better: int) -> tuple[float, float]:
    """Around what is better or nearly as good; what is far worse is written at the edge."""
    known, ends = np.isfinite(middle), np.where(np.isfinite(ends), ends, middle[:, None])  # of single models none
    good = np.max(better * middle[known], initial=0.0)
    scale = max(good, float(np.median(np.abs(ends[known] - middle[known, None]))) if known.any() else 0.0)
    if not scale:  # all are worse, and nothing has a width
        scale = float(np.min(np.abs(middle[known & (middle != 0)]), initial=1.0))
    near = known & (better * middle >= -6 * scale)
    low, high = min(ends[near].min(initial=0.0), -scale), max(ends[near].max(initial=0.0), scale)
    margin = 0.06 * (high - low)
    return low - margin, high + margin
