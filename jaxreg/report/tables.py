"""The tables of the report: numbers rounded to what their intervals support."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.axes import AXES
from jaxreg.formatting import estimate, fixed, known, listing, swapped
from jaxreg.report.layout import Layout
from jaxreg.report.parts import ABSENT, Entry, Table, estimated, numbered
from jaxreg.report.summaries import by_cell, diverged
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.store.results import Results

TITLES = {
    "test_cross_entropy": "Cross-entropy",
    "test_scaled_cross_entropy": "temperature-scaled",
    "test_error": "Accuracy, points",
    "bias_cross_entropy": "Bias",
    "variance_cross_entropy": "Variance",
    "test_brier": "Brier score",
    "bias_brier": "Bias (Brier)",
    "variance_brier": "Variance (Brier)",
}
RULE_NAMES = {"best": "best", "one_standard_error": "1 SE"}


def changes(results: Results, cell: str, reference: str | None, measures: Iterable[str]) -> dict[str, Entry]:
    """The paired differences of a cell, bold where told from 0; an error rate as accuracy in points."""
    return {TITLES[measure]: _change(results.change(reference, cell, measure), measure) for measure in measures}


def _change(row: dict[str, Any] | None, measure: str) -> Entry:
    if row is None or not known(row["difference"]):
        return ABSENT
    points = measure == "test_error"
    row = swapped(row) if points else row
    bold = row["verdict"] != UNDECIDED
    return estimated(row["difference"], row["low"], row["high"], signed=True, percent=points, bold=bold)


def _cell(name: str) -> Entry:
    return Entry(name, code=True)


def _axis(axis: str) -> str:
    return axis if axis == "all" else AXES[axis].short


def changes_of_chosen(results: Results, layout: Layout) -> Table:
    """What the best cells of each axis, and of all, changed against the base cell."""
    chosen: dict[str, list[str]] = {}
    for axis in dict.fromkeys(results.choices["axis"]):
        rules: dict[str, list[str]] = {}
        for rule, words in RULE_NAMES.items():
            row = results.choice(axis, rule)
            if row is not None and row["cell"] != layout.base:
                rules.setdefault(row["cell"], []).append(words)
        for cell, words_of in rules.items():
            chosen.setdefault(cell, []).append(f"{_axis(axis)}: {listing(words_of)}")
    measures = ["test_cross_entropy", "test_error", "bias_cross_entropy", "variance_cross_entropy"]
    return [
        {"Cell": _cell(cell), "Chosen as": Entry("; ".join(roles))} | changes(results, cell, layout.base, measures)
        for cell, roles in chosen.items()
    ]


def whole(results: Results, layout: Layout) -> Table:
    """Every cell with members on the whole training set: its scores, and its differences from the base cell."""
    rows: Table = []
    if results.whole.empty:
        return rows
    titles = {measure: TITLES[measure] for measure in ("test_cross_entropy", "test_scaled_cross_entropy", "test_error")}
    for cell in dict.fromkeys(results.whole["cell"]):
        found = {measure: row for measure in titles if (row := results.of_whole(cell, measure)) is not None}
        if "test_error" not in found:
            continue
        row = {"Cell": _cell(cell), "Seeds": Entry(f"{found['test_error']['seeds']:.0f}")}
        row["Accuracy, %"] = _of(100 * (1 - found["test_error"]["mean"]), 2)
        for measure, one in found.items():
            if measure != "test_error":
                row[TITLES[measure]] = _of(one["mean"], 4)
        for measure, one in found.items():
            row[f"Change: {titles[measure][0].lower()}{titles[measure][1:]}"] = _change(one, measure)
        rows.append(row)
    return rows


def _of(value: float, places: int) -> Entry:
    return Entry(fixed(value, places), order=value)


def choices(results: Results) -> Table:
    """For every axis and for all cells: what each rule chose, and what it scores where it was not chosen."""
    rows = []
    for axis in dict.fromkeys(results.choices["axis"]):
        for rule, words in RULE_NAMES.items():
            row = results.choice(axis, rule)
            if row is None:
                continue
            wrong = row.get("honest_error")
            rows.append(
                {
                    "Chosen among": Entry("all cells" if axis == "all" else AXES[axis].short),
                    "Rule": Entry(words),
                    "Cell": _cell(row["cell"]),
                    "Cross-entropy": estimated(row["test_cross_entropy"], row.get("low"), row.get("high")),
                    "Where not chosen": numbered(row.get("honest_cross_entropy"), 4),
                    "Accuracy there": Entry(f"{fixed(100 * (1 - wrong), 2)} %", order=1 - wrong)
                    if known(wrong)
                    else ABSENT,
                }
            )
    return rows


def comparisons(results: Results, reference: str) -> Table:
    """Every cell against one reference, in all measures."""
    made = set(results.comparisons.loc[results.comparisons["reference"] == reference, "measure"])
    measures = [measure for measure in TITLES if measure in made]
    cells = [cell for cell in results.cells if cell != reference] if measures else []
    return [{"Cell": _cell(cell)} | changes(results, cell, reference, measures) for cell in cells]


def cells(results: Results) -> Table:
    """Every cell: its members, error and parts in cross-entropy, accuracy, the gap, the weights."""
    parts, scaled, lost = results.loss("cross_entropy"), results.loss("scaled_cross_entropy"), diverged(results)
    columns = ["train_cross_entropy", "test_accuracy", "penalty", "small_weights", "stopped_at"]
    means = by_cell(results, [column for column in columns if column in results.members])
    apart = bool(parts["variance_seed"].notna().any() and parts["variance_split"].notna().any())
    rows = []
    for cell in results.cells:
        part, mean, after = _numbers(parts, cell), _numbers(means, cell), _numbers(scaled, cell)
        total = int((results.members["cell"] == cell).sum())
        kept = total - int(lost["diverged"][cell])
        row = {
            "Cell": _cell(cell),
            "Members": Entry(str(total) if kept == total else f"{kept} of {total}", order=kept),
            "Test cross-entropy": _interval(part, "error"),
            "temperature-scaled": _interval(after, "error"),
            "Bias": _interval(part, "bias"),
            "Variance": _interval(part, "variance"),
        }
        if apart:
            row |= {"from data": _interval(part, "variance_split")}
            row |= {"from seeds": _interval(part, "variance_seed")}
        row["Test accuracy, %"] = _interval(mean, "test_accuracy", percent=True)
        train = mean.get("train_cross_entropy")
        if train is not None:
            row |= {"Train cross-entropy": numbered(train), "Gap": numbered(part["error"] - train)}
        if "penalty" in mean:
            row["Penalty"] = numbered(mean["penalty"])
        if "small_weights" in mean:
            row["Small weights, %"] = numbered(100 * mean["small_weights"])
        if "stopped_at" in mean and means["stopped_at"].notna().any():
            row["Stopped at epoch"] = numbered(mean["stopped_at"])
        rows.append(row)
    return rows


def _numbers(table: pd.DataFrame, cell: str) -> dict[str, float]:
    numbers = table.select_dtypes("number").loc[[cell]]
    return {str(key): value for key, value in numbers.to_dict("records")[0].items()}


def _interval(row: dict[str, float], name: str, percent: bool = False) -> Entry:
    return estimated(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), percent=percent)


def power(results: Results) -> Table:
    """What is open in cross-entropy and accuracy, and what telling differences of these sizes would take."""
    rows = results.power
    if rows.empty or "cell" not in rows:
        return []
    needed = {"splits_needed": "Splits needed", "seeds_needed": "or seeds", "deals_needed": "or deals"}
    return [
        {
            "Cell": _cell(str(row["cell"])),
            "Measure": Entry("accuracy, points" if row["measure"] == "test_error" else "cross-entropy"),
            "Difference": _open(row),
        }
        | {title: _many(row[key]) for key, title in needed.items() if key in row}
        for row in rows[rows["cell"].notna()].to_dict("records")
    ]


def _open(row: Mapping[Hashable, Any]) -> Entry:
    points = row["measure"] == "test_error"
    value = float(row["difference"]) * (-100 if points else 1)
    return Entry(fixed(value, 1, signed=True) if points else estimate(value, None, None, signed=True), order=value)


def _many(value: float) -> Entry:
    """How many are needed; more than is ever looked for, or not known."""
    if pd.isna(value):
        return ABSENT
    return Entry(f"{value:.0f}", order=value) if known(value) else Entry("over 1000", order=np.inf)
