"""Whether networks on all of the data score worse than those on parts of them, and what that means."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from jaxreg.formatting import known, number
from jaxreg.measures import MEASURES
from jaxreg.report import folds
from jaxreg.report.advice import change_text
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.store.results import Results

Row = dict[str, Any]


def worse_on_all(results: Results, layout: Layout) -> list[str]:
    """Whether the reference's error is larger than on parts, and that of what is recommended for these smaller.

    Of these two alone, who are named without a look at the differences: of all cells some would differ by chance.
    """
    first = results.measures.first
    base, words = results.of_whole(layout.base, first), MEASURES[first].words
    if base is None or not known(base.get("parts_difference")) or not base["parts_difference"] > 0:
        return []
    changed = f"{_change(base, first)}, on the same {folds.scored(results)}"
    helped = _helped(results, layout)
    if not base["parts_low"] > 0:
        return [
            f"On all of the training set, {words} of {code(layout.base)} is larger than on parts of it: {changed}, "
            f"which may be chance.{helped}"
        ]
    return [
        f"**More {results.examples_are}, and a larger error**: on all of the training set {words} of "
        f"{code(layout.base)} is larger than on parts of it: {changed}.{_answers(results, str(layout.base))}"
        f"{_steps(results, str(layout.base))}{helped}"
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


def _helped(results: Results, layout: Layout) -> str:
    """What is recommended on parts, where all of the data help it."""
    first = results.measures.first
    advised = results.advice("parts", results.measures.answered[0])
    row = results.of_whole(advised["cell"], first) if advised and advised["cell"] != layout.base else None
    if row is None or not known(row.get("parts_high")) or not row["parts_high"] < 0:
        return ""
    return f" With {code(row['cell'])} it is smaller there: {_change(row, first)}."
