"""Learning curves: one line a strength, light to dark as it grows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from jaxreg.figures import style
from jaxreg.figures.decomposition import pairs
from jaxreg.figures.style import Picture
from jaxreg.folder import Folder
from jaxreg.layout import SHORT, Layout
from jaxreg.summaries import sound

GREYS = ["#b9cfe8", "#8fb3d9", "#6493c4", "#3f73aa", "#23548a", "#0f3765", "#06203f"]
DASHES = ["-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (8, 3))]


def learning(folder: Folder, layout: Layout) -> list[Picture]:
    """Mean test and train cross-entropy after each epoch, a column per axis or one for cells without an order."""
    kept = sound(folder.members)[["member", "cell"]]
    history = folder.history.merge(kept, on="member")
    if history["epoch"].nunique() < 2:
        return []
    means = history.groupby(["cell", "epoch"])[["test_cross_entropy", "train_cross_entropy"]].mean()
    columns = [
        [(SHORT[line.axis], line.cells, line.labels) for line in lines] for lines in pairs(layout.lines)
    ]
    columns += [[(group.title, group.cells, group.labels)] for group in layout.groups if len(group.cells) > 1]
    pictures = []
    for panels in columns:
        figure, axes = style.canvas(5.9, 2, len(panels), sharey="row", sharex=True)
        for column, (title, cells, labels) in enumerate(panels):
            for row, measure in enumerate(("test_cross_entropy", "train_cross_entropy")):
                _curves(axes[row, column], means[measure], cells, labels)
            axes[0, column].set_title(title)
            axes[1, column].set_xlabel("Epoch")
            axes[0, column].legend(
                ncols=2 if len(panels) > 1 else 3, fontsize=9, loc="upper right", columnspacing=1, handlelength=2.6
            )  # fmt: skip
        final = means.groupby("cell").last()
        for row, measure in enumerate(("test_cross_entropy", "train_cross_entropy")):
            least = means[measure].min()
            top = float(max(2.2 * final["test_cross_entropy"].min(), 1.05 * np.nanmedian(means[measure])))
            axes[row, 0].set_ylim(0 if row else 0.9 * least, min(top, 1.05 * means[measure].max()))
            axes[row, 0].set_ylabel(("Test" if row == 0 else "Train") + " cross-entropy")
        name = "-".join(title.lower().replace(" ", "-").replace(",", "") or "runs" for title, _, _ in panels)
        pictures.append(
            Picture(
                f"learning-{name}",
                f"Learning curves: test and train cross-entropy by epoch, {' and '.join(t for t, _, _ in panels) or 'all runs'}.",
                "Mean over a cell's members after each epoch; the train curve is the running mean over the epoch, without "
                "the penalty. A test curve that turns up is overfitting; one that still falls has not finished.",
                style.png(figure),
            )
        )
    return pictures


def _curves(axes: Axes, means: pd.Series, cells: tuple[str, ...], labels: tuple[str, ...]) -> None:
    for i, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        if cell not in means.index.get_level_values("cell"):
            continue
        curve = means.loc[cell]
        shade = GREYS[round(i * (len(GREYS) - 1) / max(len(cells) - 1, 1))]
        axes.plot(curve.index, curve, color=shade, linestyle=DASHES[i % len(DASHES)], label=label)
