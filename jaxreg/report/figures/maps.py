"""Heat maps of a product grid: error, bias, variance and accuracy of every pair of strengths."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from jaxreg.axes import AXES
from jaxreg.formatting import listing, number
from jaxreg.measures import MEASURES
from jaxreg.report.figures import style
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import tell
from jaxreg.report.layout import Layout, Product
from jaxreg.report.markdown import text
from jaxreg.report.parts import Picture
from jaxreg.report.summaries import diverged
from jaxreg.store.results import Results


def heat_maps(results: Results, layout: Layout) -> list[Picture]:
    """Maps of a product: error, bias and variance if they are known, and the share of wrong answers or the like."""
    return [_figure(results, product) for product in layout.products]


def _figure(results: Results, product: Product) -> Picture:
    parts, words = results.loss(results.measures.loss), MEASURES[results.measures.first].words
    title, beside = "Absolute error", results.loss("absolute_error")["error"]
    if results.measures.of_classes:
        title, beside = "Wrong answers, %", 100 * results.loss("zero_one")["error"]
    rows, columns = product.table.shape
    apart = [] if results.folded else [("Bias", parts["bias"]), ("Variance", parts["variance"])]
    panels = [(f"Error (test {words})", parts["error"]), *apart, (title, beside)]
    height, down = min(max(0.42 * rows + 1.0, 2.2), 4.5), len(panels) // 2
    figure, axes = style.canvas(down * height, down, 2, sharex=True, sharey=True)
    lost = diverged(results)["diverged"] > 0
    best, tied = chosen(results)
    for panel, (title, values) in zip(axes.flat, panels, strict=True):
        _map(panel, product.table, values, lost, capped=title != "Variance")
        panel.set_title(title)
        _outline(panel, product.table, best, tied)
    for panel in axes[-1]:
        panel.set_xlabel(AXES[product.first].title)
    figure.supylabel(AXES[product.second].title, fontsize="medium")  # once: of few rows it is longer than a panel
    shown = listing(["error", *(name.lower() for name, _ in apart), title.partition(",")[0].lower()])
    held = f" The other axes are held at {text(product.held)}." if product.held else ""
    return picture(
        f"map-{product.first}-{product.second}",
        f"Maps of {shown}: {AXES[product.first].short}, {AXES[product.second].short}.",
        f"Darker is worse. Framed: the best cell by test {words}; dotted: the cells within one standard "
        f"error of it. A cross marks a cell with diverged members.{held}",
        figure,
    )


def chosen(results: Results) -> tuple[str | None, set[str]]:
    """The best cell of all and the cells within one standard error of it."""
    row = results.choice("all", "best")
    if row is None:
        return None, set()
    tied = row.get("tied")
    return str(row["cell"]), set(tied.split("; ")) if isinstance(tied, str) else set()


def _map(axes: Axes, table: pd.DataFrame, values: pd.Series, lost: pd.Series, capped: bool) -> None:
    """One map; if `capped`, the colours end at thrice the least value: a ruined corner leaves contrast."""
    grid = table.map(lambda cell: values.get(cell, np.nan)).to_numpy(float)
    known = grid[np.isfinite(grid)]
    scale = Normalize(0, 1)
    if known.size:
        least = known.min()
        end = min(known.max(), 3 * least) if capped and least > 0 else known.max()
        scale = Normalize(least, max(end, least + 1e-9))
    colours = colormaps["YlGnBu"]
    axes.grid(False)
    axes.imshow(grid, cmap=colours, norm=scale, aspect="auto", origin="lower", interpolation="nearest")
    axes.set_xticks(range(table.shape[1]), list(table.columns))
    axes.set_yticks(range(table.shape[0]), list(table.index))
    small = table.shape[1] > 5
    for (i, j), value in np.ndenumerate(grid):
        name = table.iat[i, j]
        if np.isfinite(value):
            shade = colours(float(np.clip(scale(value), 0, 1)))
            dark = np.dot(shade[:3], (0.3, 0.6, 0.1)) < 0.5
            axes.text(
                j, i, _short(value), ha="center", va="center", fontsize=8.5 if small else 10,
                color="white" if dark else style.INK, gid=style.AS_IT_IS,
            )  # fmt: skip
            tell(axes, f"{name!s}: {number(value)}", x=float(j), y=float(i), reach=0.5)
        if isinstance(name, str) and lost.get(name, False):
            axes.plot([j + 0.34], [i + 0.3], "x", color=style.WARN, markersize=6, mew=1.8, gid=style.AS_IT_IS)


def _short(value: float) -> str:
    """Three digits at most: .412, 1.23, 12.3."""
    if abs(value) < 1:
        return f"{value:.3f}".replace("0.", ".", 1)
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _outline(axes: Axes, table: pd.DataFrame, best: str | None, tied: set[str]) -> None:
    """Frames on a white ground, so that they show on any colour."""
    for (i, j), name in np.ndenumerate(table.to_numpy()):
        if name != best and name not in tied:
            continue
        width, dashes = (2.4, "-") if name == best else (1.6, (0, (1.2, 1.2)))
        for colour, line, style_ in (("white", width + 2, "-"), (style.INK, width, dashes)):
            axes.add_patch(
                Rectangle(
                    (j - 0.46, i - 0.46),
                    0.92,
                    0.92,
                    fill=False,
                    edgecolor=colour,
                    linewidth=line,
                    linestyle=style_,
                    gid=style.AS_IT_IS,
                )
            )
