"""The figures of a report, from the tables of a run folder: headless, only those that the sweep calls for."""

from __future__ import annotations

import matplotlib

from jaxreg.figures import classes, curves, decomposition, dots, images, maps, reliability, strength, style
from jaxreg.figures.style import Picture
from jaxreg.folder import Folder
from jaxreg.layout import Layout

__all__ = ["Picture", "draw"]


def draw(folder: Folder, layout: Layout) -> dict[str, list[Picture]]:
    """Every picture of the report, by the part of the report that shows it; a part may be empty."""
    with matplotlib.rc_context(style.RC):
        return {
            "main": maps.heat_maps(folder, layout)
            + decomposition.strength_figures(folder, layout, "cross_entropy")
            + dots.dot_plots(folder, layout),
            "brier": decomposition.strength_figures(folder, layout, "brier"),
            "generalisation": strength.generalisation(folder, layout),
            "learning": curves.learning(folder, layout),
            "weights": strength.weights(folder, layout),
            "accuracy": strength.accuracy(folder, layout),
            "calibration": strength.calibration(folder, layout) + reliability.diagram(folder, layout),
            "classes": classes.per_class(folder, layout),
            "images": images.sheet(folder),
        }
