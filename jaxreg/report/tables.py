"""The tables of the report: numbers rounded to what their intervals support."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.axes import AXES
from jaxreg.formatting import estimate, fixed, known, listing, swapped
from jaxreg.measures import CLASSES, MEASURES, honest
from jaxreg.report.layout import Layout
from jaxreg.report.parts import ABSENT, Entry, Table, estimated, numbered, rounded
from jaxreg.report.summaries import accuracies, by_cell, diverged
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.store.results import Results

RULE_NAMES = {"best": "best", "one_standard_error": "1 SE"}


def changes(results: Results, cell: str, reference: str | None, measures: Iterable[str]) -> dict[str, Entry]:
    """The paired differences of a cell, bold where told from 0; an error rate as accuracy in points."""
    return {MEASURES[measure].title: _change(results.change(reference, cell, measure), measure) for measure in measures}


def _change(row: dict[str, Any] | None, measure: str) -> Entry:
    if row is None or not known(row["difference"]):
        return ABSENT
    points = MEASURES[measure].points
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
    of = results.measures
    wanted = [of.first, of.second, *(name for part in ("bias", "variance") if (name := of.of(of.loss, part)))]
    measures = _compared(results, layout.base, wanted)
    return [
        {"Cell": _cell(cell), "Chosen as": Entry("; ".join(roles))} | changes(results, cell, layout.base, measures)
        for cell, roles in chosen.items()
    ]


def _compared(results: Results, reference: str | None, measures: Iterable[str]) -> list[str]:
    """Those in which a difference is known: from folds, or single models, none in bias and in variance is."""
    rows = results.comparisons
    rows = rows[(rows["reference"] == reference) & rows["difference"].notna()]
    return [measure for measure in measures if measure in set(rows["measure"])]


def whole(results: Results, layout: Layout) -> Table:
    """Every cell with members on the whole training set: its scores, and its differences from the base cell."""
    rows: Table = []
    if results.whole.empty:
        return rows
    for cell in dict.fromkeys(results.whole["cell"]):
        found = {
            measure: row for measure in results.measures.shown if (row := results.of_whole(cell, measure)) is not None
        }
        if results.measures.second not in found:
            continue
        row = {"Cell": _cell(cell), "Seeds": Entry(f"{found[results.measures.second]['seeds']:.0f}")}
        if results.measures is CLASSES:
            row["Accuracy, %"] = rounded(100 * (1 - found["test_error"]["mean"]), 2)
        elif results.measures.first in found:
            row |= rmse(results, found[results.measures.first]["mean"])
        for measure, one in found.items():
            if not MEASURES[measure].points:
                row[MEASURES[measure].title] = numbered(one["mean"], 4)
        for measure, one in found.items():
            title = MEASURES[measure].title
            row[f"Change: {title[0].lower()}{title[1:]}"] = _change(one, measure)
        rows.append(row)
    return rows


def rmse(results: Results, squared_error: float) -> dict[str, Entry]:
    """Root mean squared error, and the share of the variance that is predicted."""
    share = results.predicted_share(squared_error)
    return {"RMSE": numbered(squared_error**0.5, 4), "R²": rounded(share, 3)}


def choices(results: Results) -> Table:
    """For every axis and for all cells: what each rule chose, and what it scores where it was not chosen."""
    rows = []
    for axis in dict.fromkeys(results.choices["axis"]):
        for rule, words in RULE_NAMES.items():
            row = results.choice(axis, rule)
            if row is None:
                continue
            first, second = results.measures.first, results.measures.second
            loss, beside = (row.get(honest(name)) for name in (first, second))
            rows.append(
                {
                    "Chosen among": Entry("all cells" if axis == "all" else AXES[axis].short),
                    "Rule": Entry(words),
                    "Cell": _cell(row["cell"]),
                    MEASURES[first].title: estimated(row[first], _from_0(row.get("low")), row.get("high")),
                    "Where not chosen": numbered(loss, 4),
                }
                | ({f"{MEASURES[second].words.capitalize()} there": _there(beside, second)} if second != first else {})
            )
    return rows


def _from_0(low: float | None) -> float | None:
    """The lower end of an interval of a loss."""
    return max(low, 0.0) if known(low) else low


def _there(value: float | None, measure: str) -> Entry:
    if not known(value) or not MEASURES[measure].points:
        return numbered(value, 4)
    return Entry(f"{fixed(100 * (1 - value), 2)} %", order=1 - value)


def comparisons(results: Results, reference: str) -> Table:
    """Every cell against one reference, in all measures."""
    measures = _compared(results, reference, results.measures.tabled)
    cells = [cell for cell in results.cells if cell != reference] if measures else []
    return [{"Cell": _cell(cell)} | changes(results, cell, reference, measures) for cell in cells]


def cells(results: Results) -> Table:
    """Every cell: its members, error and its parts, accuracy or the like, the gap, the weights."""
    words, train_loss = MEASURES[results.measures.first].words, f"train_{results.measures.loss}"
    parts, scaled, lost = results.loss(results.measures.loss), results.loss("scaled_cross_entropy"), diverged(results)
    columns = [train_loss, "penalty", "small_weights", "stopped_at"]
    means = by_cell(results, [column for column in columns if column in results.members])
    right = accuracies(results)
    apart = bool(parts["variance_seed"].notna().any() and parts["variance_split"].notna().any())
    rows = []
    for cell in results.cells:
        part, mean, after = _numbers(parts, cell), _numbers(means, cell), _numbers(scaled, cell)
        total = int((results.members["cell"] == cell).sum())
        kept = total - int(lost["diverged"][cell])
        row = {
            "Cell": _cell(cell),
            "Models" if results.elsewhere else "Members": Entry(
                str(total) if kept == total else f"{kept} of {total}", order=kept
            ),
            f"Test {words}": _interval(part, "error"),
        }
        if results.measures is CLASSES:
            row["temperature-scaled"] = _interval(after, "error")
        if not results.folded:
            row |= {"Bias": _interval(part, "bias"), "Variance": _interval(part, "variance")}
        if apart:
            row |= {"from data": _interval(part, "variance_split")}
            row |= {"from seeds": _interval(part, "variance_seed")}
        if results.measures.of_classes:
            row["Test accuracy, %"] = _interval(_numbers(right, cell), "test_accuracy", percent=True)
        else:
            row |= rmse(results, part["error"])
            row["Absolute error"] = _interval(_numbers(results.loss("absolute_error"), cell), "error")
        train = mean.get(train_loss)
        if train is not None and not results.elsewhere:
            row |= {f"Train {words}": numbered(train), "Gap": numbered(part["error"] - train)}
        if "penalty" in mean:
            # Beside the loss that is trained on, which of quantities is that of the standardised ones.
            title = "Penalty" if results.measures.of_classes or not results.unit else "Penalty (standardised)"
            row[title] = numbered(mean["penalty"])
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
    """What is open, and what telling differences of these sizes would take."""
    rows = results.power
    if rows.empty or "cell" not in rows:
        return []
    needed = {"splits_needed": "Splits needed", "seeds_needed": "or seeds", "deals_needed": "or deals"}
    found: Table = [
        {
            "Cell": _cell(str(row["cell"])),
            "Measure": Entry(MEASURES[str(row["measure"])].words + ", points" * MEASURES[str(row["measure"])].points),
            "Difference": _open(row),
        }
        | {title: _many(row[key]) for key, title in needed.items() if key in row}
        for row in rows[rows["cell"].notna()].to_dict("records")
    ]
    unknown = [title for title in needed.values() if all(row.get(title, ABSENT) == ABSENT for row in found)]
    return [{title: entry for title, entry in row.items() if title not in unknown} for row in found]


def _open(row: Mapping[Hashable, Any]) -> Entry:
    points = MEASURES[str(row["measure"])].points
    value = float(row["difference"]) * (-100 if points else 1)
    return Entry(fixed(value, 1, signed=True) if points else estimate(value, None, None, signed=True), order=value)


def _many(value: float) -> Entry:
    """How many are needed; more than is ever looked for, or not known."""
    if pd.isna(value):
        return ABSENT
    return Entry(f"{value:.0f}", order=value) if known(value) else Entry("over 1000", order=np.inf)
