"""Everything else against strength: the loss in training and testing, weights, accuracy, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from jaxreg.axes import AXES
from jaxreg.formatting import value_text
from jaxreg.measures import MEASURES
from jaxreg.report import folds
from jaxreg.report.figures import style
from jaxreg.report.figures.decomposition import mark_choices, pairs
from jaxreg.report.figures.painting import picture
from jaxreg.report.figures.tips import estimates
from jaxreg.report.layout import Layout, Line
from jaxreg.report.parts import Picture
from jaxreg.report.summaries import accuracies, by_cell, diverged, means, predicted
from jaxreg.store.results import Results

DARK: dict[str, Any] = {"color": style.INK, "linestyle": "-", "marker": "o"}
LIGHT: dict[str, Any] = {"color": style.VARIANCE, "linestyle": (0, (4, 1.5)), "marker": "^"}


def _panel(axes: Axes, line: Line, table: pd.DataFrame, columns: dict[str, dict[str, Any]]) -> None:
    """One curve a column of the table, over the cells of the line that have a value."""
    for column, how in columns.items():
        rows = table.loc[list(line.cells)]
        keep = rows[column].notna().to_numpy()
        x = np.asarray(line.positions)[keep]
        style.curve(axes, x, rows[keep], column, **how)
        estimates(axes, x, rows[keep], {column: how.get("label", "mean")})


def _name(stem: str, lines: Sequence[Line]) -> str:
    return f"{stem}-{'-'.join(line.axis for line in lines)}"


def _axes(lines: Sequence[Line]) -> str:
    return " and ".join(AXES[line.axis].short for line in lines)


def generalisation(results: Results, layout: Layout) -> list[Picture]:
    """The loss on the members' own training examples and on the test set, the gap shaded."""
    pictures = []
    test, train = (f"{part}_{results.measures.loss}" for part in ("test", "train"))
    words, table = MEASURES[test].words, by_cell(results, [train, test])
    beware = (
        f" The shaded generalisation gap is not the variance: it compares two sets of {results.examples_are} under one "
        "model, variance two models on one set."
    )
    beware = "" if results.folded else beware  # where no variance is spoken of
    for lines in pairs(layout.lines):
        figure, axes = style.canvas(3.4, 1, len(lines), sharey=True)
        top = style.ceiling(table[test])
        for column, line in enumerate(lines):
            panel, rows = axes[0, column], table.loc[list(line.cells)]
            panel.fill_between(
                line.positions,
                rows[train],
                rows[test],
                color=style.GAP,
                linewidth=0,
            )
            curves = {
                test: DARK | {"label": "test"},
                train: LIGHT | {"label": "train"},
            }
            _panel(panel, line, table, curves)
            panel.set_ylim(0, None)
            if top is not None:
                style.cap(panel, line.positions, rows[test], top)
            mark_choices(panel, results, line)
            style.crosses(panel, line, diverged(results))
            style.strength_axis(panel, line)
        axes[0, 0].set_ylabel(MEASURES[test].title)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=2, loc="outside upper left")
        pictures.append(
            picture(
                _name("train-test", lines),
                f"Train and test {words} against {_axes(lines)}; the gap between them is shaded.",
                f"{words[0].upper()}{words[1:]} without the penalty, weights frozen.{beware}",
                figure,
            )
        )
    return pictures


def weights(results: Results, layout: Layout) -> list[Picture]:
    """Share of small weights (of all, and of those fed by live inputs) and the two norms."""
    columns = [c for c in ("small_weights", "live_small_weights", "weight_l1", "weight_l2") if c in results.members]
    table = by_cell(results, columns)
    if "small_weights" not in table or table["small_weights"].isna().all():
        return []
    for column in [c for c in table if not str(c).startswith("weight")]:
        table[column] *= 100
    threshold = results.record.get("small_weight_threshold")
    live = "live_small_weights" in table and not table["live_small_weights"].isna().all()
    norms = "weight_l1" in table and "weight_l2" in table
    pictures = []
    for lines in pairs(layout.lines):
        figure, axes = style.canvas(5.6 if norms else 3.2, 2 if norms else 1, len(lines), sharey="row")
        for column, line in enumerate(lines):
            shares = {"small_weights": DARK | {"label": "all weights"}}
            if live:
                shares["live_small_weights"] = LIGHT | {"label": f"without weights of dead {results.inputs_are}"}
            _panel(axes[0, column], line, table, shares)
            axes[0, column].set_ylim(bottom=0)
            style.strength_axis(axes[0, column], line, label=not norms)
            if norms:
                _panel(
                    axes[1, column], line, table,
                    {
                        "weight_l1": DARK | {"label": "\u03a3|w|"},
                        "weight_l2": LIGHT | {"label": "\u03a3w\u00b2"},
                    },
                )  # fmt: skip
                axes[1, column].set_yscale("log")
                style.strength_axis(axes[1, column], line)
        axes[0, 0].set_ylabel("Small weights, %")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=2, loc="outside upper left")
        if norms:
            axes[1, 0].set_ylabel("Norms of the weights")
            style.legend(axes[1, 0], ncols=2)
        limit = f"below {value_text(threshold)} in size" if threshold else "close to zero"
        pictures.append(
            picture(
                _name("weights", lines),
                f"Share of small hidden weights and the norms of the weights against {_axes(lines)}.",
                f"Share of the hidden kernels' entries {limit}"
                + (
                    f"; dead {results.inputs_are} are 0 in every training {results.example_is}, so that no "
                    f"{results.example_is} holds their weights up"
                    if live
                    else ""
                )
                + (". Below: their sum of sizes and of squares, on a logarithmic scale." if norms else "."),
                figure,
            )
        )
    return pictures


def accuracy(results: Results, layout: Layout) -> list[Picture]:
    """Test accuracy, or of quantities the share of their variance that is predicted; that on everything beside it."""
    column, name = ("test_accuracy", "accuracy") if results.measures.of_classes else ("test_r2", "R²")
    if column not in results.members:
        return []
    table = (accuracies if results.measures.of_classes else predicted)(results) * 100
    whole = results.members[(results.members["split"] == "all") & results.members["diverged_at"].isna()]
    full = means(whole, [column]).reindex(results.cells) * 100 if len(whole) else None
    pictures = []
    for lines in pairs(layout.lines):
        figure, axes = style.canvas(3.3, 1, len(lines), sharey=True)
        for place, line in enumerate(lines):
            panel = axes[0, place]
            _panel(panel, line, table, {column: DARK | {"label": "on a split"}})
            if full is not None:
                _panel(panel, line, full, {column: LIGHT | {"label": "on the whole training set"}})
            mark_choices(panel, results, line)
            style.crosses(panel, line, diverged(results))
            style.strength_axis(panel, line)
        best = float(np.nanmax(table[column])) if table[column].notna().any() else 100.0
        floor = 100 - 2.5 * (100 - best)
        for panel, line in zip(axes[0], lines, strict=True):
            style.foot(panel, line.positions, table.loc[list(line.cells), column], floor)
        axes[0, 0].set_ylabel(f"Test {name}, %")
        if full is not None:
            figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=2, loc="outside upper left")
        pictures.append(
            picture(
                _name("accuracy" if results.measures.of_classes else "r2", lines),
                f"Test {name} against {_axes(lines)}.",
                f"Mean {name} on all {folds.scored(results)}; band: 95 % interval"
                f"{'' if full is None else ', on the whole training set over seeds alone'}. Cells off the scale have "
                "their value at the foot (\u2193).",
                figure,
            )
        )
    return pictures


def calibration(results: Results, layout: Layout) -> list[Picture]:
    """Expected calibration error against strength."""
    if "expected_calibration_error" not in results.calibration:
        return []
    table = results.calibration.set_index("cell").reindex(results.cells)
    table = table.rename(columns={end: f"expected_calibration_error_{end}" for end in ("low", "high")})
    columns = [column for column in table if str(column).startswith("expected_calibration_error")]
    known = ["chance"] if "chance" in table else []
    table = table[[*columns, *known]].astype(float) * 100
    pictures = []
    for lines in pairs(layout.lines):
        figure, axes = style.canvas(3.1, 1, len(lines), sharey=True)
        for column, line in enumerate(lines):
            _panel(axes[0, column], line, table, {"expected_calibration_error": DARK | {"label": "measured"}})
            if known:
                _panel(axes[0, column], line, table, {"chance": LIGHT | {"label": "by chance alone"}})
            axes[0, column].set_ylim(0, None)
            mark_choices(axes[0, column], results, line)
            style.strength_axis(axes[0, column], line)
        axes[0, 0].set_ylabel("Calibration error, points")
        if known:
            figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=2, loc="outside upper left")
        pictures.append(
            picture(
                _name("calibration", lines),
                f"Expected calibration error against {_axes(lines)}.",
                "Mean distance between a model's stated confidence and its share of right answers, in "
                "percentage points, lower is better. Cross-entropy punishes it, accuracy does not see it. "
                "Chance alone makes it positive, in a perfectly calibrated model by as much as the dashed line: near "
                "that the band, a 95 % interval of what is measured, says nothing of the true distance.",
                figure,
            )
        )
    return pictures
