"""Whether networks on all of the data score worse than those on parts of them, and what that means."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from jaxreg.formatting import known, listing, number
from jaxreg.measures import MEASURES
from jaxreg.report import folds
from jaxreg.report.advice import change_text, doubt_text
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.store.results import Results

Row = dict[str, Any]
SHOWN = 3  # cells that are named


def worse_on_all(results: Results, layout: Layout) -> list[str]:
    """Cells whose error is larger than on parts, or the reference where that may be chance; none where it is not."""
    first = results.measures.first
    rows: dict[str, Row] = {}
    for cell in [] if results.whole.empty else dict.fromkeys(results.whole["cell"]):
        row = results.of_whole(cell, first)
        if row is not None and known(row.get("parts_difference")):
            rows[str(cell)] = row
    words, scored = MEASURES[first].words, folds.scored(results)
    told = sorted((cell for cell, row in rows.items() if row["parts_low"] > 0), key=lambda cell: cell != layout.base)
    if told:
        changes = [f"{code(cell)} {_change(rows[cell], first)}" for cell in told[:SHOWN]]
        more = f", and {len(told) - SHOWN} more cells" if len(told) > SHOWN else ""
        return [
            f"**More {results.examples_are}, and a larger error**: on all of the training set {words} is larger than "
            f"on parts of it: {listing(changes)}{more}, on the same {scored}.{_answers(results, told[0])}"
            f"{_steps(results, told[0])}{_helped(rows, first)}"
        ]
    base = rows.get(str(layout.base))
    if base is None or not base["parts_difference"] > 0:
        return []
    return [
        f"On all of the training set, {words} of {code(layout.base)} is larger than on parts of it: "
        f"{_change(base, first)}, {doubt_text(base, 'parts_')}.{_helped(rows, first)}"
    ]


def _change(row: Row, measure: str) -> str:
    return change_text(row, measure, "parts_")


def _answers(results: Results, cell: str) -> str:
    """Whether more answers are wrong too; else it is their probabilities that are."""
    second = results.measures.second
    row = results.of_whole(cell, second) if results.measures.of_classes else None
    if row is None or not known(row.get("parts_difference")):
        return ""
    changed = f"accuracy {_change(row, second)}"
    if row["parts_difference"] > 0:
        return f" More of its answers are wrong there too: {changed}."
    scaled = (results.of_whole(cell, "test_scaled_cross_entropy") or {}).get("parts_difference")
    mended = "; with temperature scaling the error is not larger" if known(scaled) and scaled <= 0 else ""
    return f" No more of its answers are wrong there ({changed}): it is too sure of those that are{mended}."


def _steps(results: Results, cell: str) -> str:
    """How many more steps the same epochs are on all of the data."""
    own = results.members[results.members["cell"] == cell]
    on_all = pd.concat([results.second_stage, results.members]).query("split == 'all' and cell == @cell")
    steps = [_most_steps(some) for some in (own[own["split"] != "all"], on_all)]
    if not all(map(known, steps)) or not steps[1] > steps[0] > 0:
        return ""
    return (
        f" The same epochs are {number(steps[1] / steps[0], 2)} times as many steps there, in which networks that "
        "nothing holds back overfit: stronger regularisation, early stopping or fewer epochs may do better."
    )


def _most_steps(members: pd.DataFrame) -> float:
    """Of a member that went on to its last epoch; nan where that is not known."""
    if not {"trained_on", "epochs", "batch_size"} <= set(members) or members.empty:
        return math.nan
    return float((members["epochs"] * (members["trained_on"] / members["batch_size"].astype(float))).max())


def _helped(rows: dict[str, Row], measure: str) -> str:
    """The cell that all of the data helped most, where that is told."""
    better = {cell: row["parts_difference"] for cell, row in rows.items() if row["parts_high"] < 0}
    if not better:
        return ""
    best = min(better, key=better.__getitem__)
    return f" With {code(best)} it is smaller there: {_change(rows[best], measure)}."
