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
    figure, axes = style.canvas(4.6, 2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    panel, counts = axes[0, 0], axes[1, 0]
    panel.plot([0, 100], [0, 100], color=style.QUIET, linewidth=1)
    for cell, mark in zip(cells, style.MARKS.values(), strict=False):
        rows = results.reliability[results.reliability["cell"] == cell].sort_values("confidence")
        rows = rows[rows["share"] > 0.001]  # a handful of answers is noise
        panel.plot(100 * rows["confidence"], 100 * rows["accuracy"], label=style.label(cell), **mark)
        for confidence, right, share in 100 * rows[["confidence", "accuracy", "share"]].to_numpy(float):
            said = f"{cell}: {fixed(right, 1)} % right of the {fixed(share, 1)} % that say {fixed(confidence, 1)} %"
            tell(panel, said, x=confidence, y=right)
        counts.plot(100 * rows["confidence"], 100 * rows["share"], **mark)
    seen = results.reliability[results.reliability["cell"].isin(cells) & (results.reliability["share"] > 0.001)]
    lowest = float(np.floor(10 * seen["confidence"].min())) * 10
    panel.set(xlim=(lowest, 101), ylim=(0, 101), ylabel="Right answers, %")
    counts.set(ylabel="Answers, %", xlabel="Stated confidence, %", ylim=(0, None))
    panel.legend(loc="upper left")
    return [
        picture(
            "reliability",
            f"Share of right answers against stated confidence for {text(', '.join(cells))}.",
            "On the grey diagonal confidence equals accuracy; below it models are too sure of themselves. "
            "The lower panel says what share of the answers was given with which confidence.",
            figure,
        )
    ]
