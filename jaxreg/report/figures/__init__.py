"""The figures of a report, from the tables of a run folder: headless, only those that the sweep calls for."""

from __future__ import annotations

import warnings

import matplotlib

from jaxreg.measures import CLASSES
from jaxreg.report.figures import (
    answer,
    classes,
    curves,
    data_size,
    decomposition,
    dots,
    features,
    images,
    lines,
    maps,
    reliability,
    style,
)
from jaxreg.report.layout import Layout
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results

__all__ = ["Picture", "draw"]

SECTIONS = (
    "answer", "main", "brier", "data_size", "generalisation", "learning", "weights", "accuracy", "calibration",
    "classes", "images",
)  # fmt: skip


def draw(results: Results, layout: Layout) -> dict[str, list[Picture]]:
    """Every picture of the report, by the part of the report that shows it; a part may be empty."""
    if results.sound.empty:
        return {part: [] for part in SECTIONS}
    with matplotlib.rc_context(style.RC), warnings.catch_warnings():
        # Of what is not in a table, or in no font: there is nothing to be done, and it can be seen.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return {
            "answer": answer.changes(results, layout),
            "main": maps.heat_maps(results, layout)
            + decomposition.strength_figures(results, layout, results.measures.loss)
            + dots.dot_plots(results, layout),
            "brier": decomposition.strength_figures(results, layout, "brier")
            if results.measures is CLASSES and not results.folded
            else [],
            "data_size": data_size.data_size(results),
            "generalisation": lines.generalisation(results, layout),
            "learning": curves.learning(results, layout),
            "weights": lines.weights(results, layout) + features.of_features(results, layout),
            "accuracy": lines.accuracy(results, layout),
            "calibration": lines.calibration(results, layout) + reliability.diagram(results, layout),
            "classes": classes.per_class(results, layout, results.measures.losses[0]),
            "images": images.sheet(results),
        }
