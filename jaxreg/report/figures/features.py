"""Which columns of a table the first layer listens to, against strength."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize

from jaxreg.axes import AXES
from jaxreg.formatting import number
from jaxreg.report.figures import style
from jaxreg.report.figures.decomposition import pairs
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import tell
from jaxreg.report.layout import Layout
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results

MOST = 10  # columns of the table
LETTERS = 16  # of a name


def of_features(results: Results, layout: Layout) -> list[Picture]:
    """The columns with the largest weights, a row each, along every axis of strengths."""
    lines = [line for line in layout.lines if AXES[line.axis].stronger]
    if results.features.empty or not lines:
        return []
    norms = results.features.pivot(index="feature", columns="cell", values="norm").reindex(columns=results.cells)
    shown = norms[list(dict.fromkeys(cell for line in lines for cell in line.cells))]
    largest = shown.mean(axis=1).sort_values(ascending=False, kind="stable").index[:MOST].tolist()[::-1]  # from below
    names, scale = _names(results), Normalize(0, float(np.nanmax(shown.loc[largest].to_numpy(float), initial=1e-9)))
    pictures = []
    for some in pairs(lines):
        figure, axes = style.canvas(1.1 + 0.32 * len(largest), 1, len(some), sharey=True)
        for panel, line in zip(axes[0], some, strict=True):
            grid = norms.loc[largest, list(line.cells)].to_numpy(float)
            _map(panel, grid, [str(label) for label in line.labels], scale)
            for (row, column), norm in np.ndenumerate(grid):
                if np.isfinite(norm):
                    said = f"{names[largest[row]]} at {line.short} = {line.labels[column]}: {number(norm)}"
                    tell(panel, said, x=float(column), y=float(row), reach=0.5)
            panel.set_xlabel(line.title)
        axes[0, 0].set_yticks(range(len(largest)), [style.label(names[one]) for one in largest])
        axis_names = " and ".join(AXES[line.axis].short for line in some)
        pictures.append(
            picture(
                f"features-{'-'.join(line.axis for line in some)}",
                f"The largest norms of the first layer's weights, by column of the table, against {axis_names}.",
                f"The {len(largest)} of {len(norms)} columns with the largest weights: the Euclidean norm of those "
                "that lead from a column into the first layer (of a column of texts, the root mean square over its "
                "kinds), mean over training runs. Columns of numbers are standardised, so that their norms compare. "
                "Large weights say what a network listens to, not that it helps.",
                figure,
            )
        )
    return pictures


def _names(results: Results) -> dict[int, str]:
    rows = results.features.drop_duplicates("feature").set_index("feature")
    named = rows["feature_name"] if "feature_name" in rows else pd.Series(index=rows.index, dtype=object)
    found = {int(key): name if isinstance(name, str) else f"column {int(key) + 1}" for key, name in named.items()}  # type: ignore[call-overload]
    return {key: name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}\u2026" for key, name in found.items()}


def _map(axes: style.Axes, grid: np.ndarray, labels: list[str], scale: Normalize) -> None:
    colours = colormaps["YlGnBu"]
    axes.grid(False)
    axes.imshow(grid, cmap=colours, norm=scale, aspect="auto", origin="lower", interpolation="nearest")
    axes.set_xticks(range(len(labels)), labels)
    for (row, column), norm in np.ndenumerate(grid):
        if np.isfinite(norm):
            dark = np.dot(colours(float(scale(norm)))[:3], (0.3, 0.6, 0.1)) < 0.5
            axes.text(
                column, row, f"{norm:.2f}" if norm < 10 else f"{norm:.0f}", ha="center", va="center", fontsize=8.5,
                color="white" if dark else style.INK, gid=style.AS_IT_IS,
            )  # fmt: skip
