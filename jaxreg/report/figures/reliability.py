"""Reliability: how often the models are right when they say how sure they are."""

from __future__ import annotations

import numpy as np

from jaxreg.formatting import fixed
from jaxreg.report.figures import style
from jaxreg.report.figures.classes import shown_cells
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import tell
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import text
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results


def diagram(results: Results, layout: Layout) -> list[Picture]:
    """Accuracy against confidence for the base cell, the best and the strongest within one standard error."""
    if not {"confidence", "accuracy", "share", "cell"} <= set(results.reliability):
        return []
    modest = results.choice("all", "one_standard_error")
    cells = shown_cells(results, layout) + ([] if modest is None else [modest["cell"]])
    cells = [cell for cell in dict.fromkeys(cells) if (results.reliability["cell"] == cell).any()]
    if not cells:
        return []
    figure, axes = style.canvas(3.8)
    panel = axes[0, 0]
    panel.plot([0, 100], [0, 100], color=style.QUIET, linewidth=1)
    for cell, mark in zip(cells, style.MARKS.values(), strict=False):
        rows = results.reliability[results.reliability["cell"] == cell].sort_values("confidence")
        rows = rows[rows["share"] > 0.001]  # a handful of answers is noise
        panel.plot(100 * rows["confidence"], 100 * rows["accuracy"], label=style.label(cell), **mark)
        for confidence, right, share in 100 * rows[["confidence", "accuracy", "share"]].to_numpy(float):
            said = f"{cell}: {fixed(right, 1)} % right of the {fixed(share, 1)} % that say {fixed(confidence, 1)} %"
            tell(panel, said, x=confidence, y=right)
    seen = results.reliability[results.reliability["cell"].isin(cells) & (results.reliability["share"] > 0.001)]
    lowest = float(np.floor(10 * seen["confidence"].min())) * 10
    panel.set(xlim=(lowest, 101), ylim=(0, 101), ylabel="Right answers, %", xlabel="Stated confidence, %")
    panel.legend(loc="upper left")
    return [
        picture(
            "reliability",
            f"Share of right answers against stated confidence for {text(', '.join(cells))}.",
            "On the grey diagonal confidence equals accuracy; below it models are too sure of themselves. "
            "Each mark stands for as many answers as the next.",
            figure,
        )
    ]
