"""Which classes carry the error: bias and variance of each class in the base cell and in the best."""

from __future__ import annotations

import numpy as np

from jaxreg.formatting import listing
from jaxreg.report.figures import style
from jaxreg.report.figures.decomposition import LOSS_NAMES, parted, stack_key, told
from jaxreg.report.figures.maps import chosen
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import estimates, tell
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import text
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results


def class_names(results: Results) -> dict[int, str]:
    """The names of the classes by number, as far as the run has any."""
    if not {"class", "class_name"} <= set(results.classes):
        return {}
    named = results.classes[["class", "class_name"]].dropna().drop_duplicates()
    return dict(zip(named["class"].astype(int), named["class_name"].astype(str), strict=True))


def shown_cells(results: Results, layout: Layout) -> list[str]:
    """The base cell and the best one, each once."""
    best, _ = chosen(results)
    return list(dict.fromkeys(cell for cell in (layout.base, best) if cell))


def per_class(results: Results, layout: Layout, loss: str) -> list[Picture]:
    """Bars of bias and variance by class, the hardest class on top."""
    if not {"class", "loss", "bias", "variance"} <= set(results.classes):
        return []
    table = results.classes[results.classes["loss"] == loss]
    cells = [cell for cell in shown_cells(results, layout) if table.loc[table["cell"] == cell, "error"].notna().any()]
    if not cells:
        return []
    names = class_names(results)
    order = table[table["cell"] == cells[0]].set_index("class")["error"].sort_values().index
    figure, axes = style.canvas(4.3, 1, len(cells), sharex=True, sharey=True)
    for panel, cell in zip(axes[0], cells, strict=True):
        rows = table[table["cell"] == cell].set_index("class").reindex(order)
        parts = ["bias", "variance_split", "variance_seed"] if parted(results.loss(loss)) else ["bias", "variance"]
        left = np.zeros(len(rows))
        for part, colour in zip(parts, (style.BIAS_AREA, style.DATA_AREA, style.SEED_AREA), strict=False):
            width = np.clip(np.nan_to_num(rows[part].to_numpy(float)), 0, None)
            panel.barh(range(len(rows)), width, 0.72, left=left, color=colour, linewidth=0)
            left = left + width
        for height, key in enumerate(order):
            tell(panel, names.get(int(key), str(key)), y=float(height), head=True)
        estimates(panel, np.arange(len(rows)), rows, told(results.loss(loss)), rows=True)
        panel.plot(rows["error"], range(len(rows)), "o", color=style.INK, markersize=4.5)
        panel.set_yticks(range(len(rows)), [style.label(names.get(int(k), str(k))) for k in order])
        panel.grid(axis="y", visible=False)
        panel.set_title(style.label(cell if len(cells) == 1 or cell == layout.base else f"{cell} (best)"))
        panel.set_xlabel(f"Test {LOSS_NAMES[loss]}")
    figure.legend(handles=stack_key(results.loss(loss)), ncols=2, loc="outside upper left", columnspacing=1.4)
    what, begin, end = "Bias and variance", "Each bar is a class's mean", " in its parts"
    if results.folded:
        what, begin, end = "Error", "The mean of each class's", ""
    named = 3 if len(order) > 6 else 1  # of few classes most would be the hardest
    hardest = [names.get(int(k), str(k)) for k in order[::-1][:named]]
    which = "harder" if len(order) == 2 else "hardest"
    hard = f"; the {which} {'is' if named == 1 else 'are'} {text(listing(hardest))}" if len(order) > 1 else ""
    return [
        picture(
            "classes",
            f"{what} of each class in {text(listing(cells))}{hard}.",
            f"{begin} test {LOSS_NAMES[loss]}{end}, {'the harder' if len(order) == 2 else 'hardest'} on top.",
            figure,
        )
    ]
