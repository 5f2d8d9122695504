"""Cells against each other: paired by split, seed and test example, corrected for how many are compared.

Cells share training sets, seeds and test examples, so what these do to both cancels in the difference; its
error comes from `jaxreg.statistics.intervals`, with the split as the unit (the seed where there is one split), and
covers new training sets, seeds and test examples. The interval is for the one difference. The verdict uses the
p-value after Holm's correction, so an interval may exclude 0 where the verdict is "not distinguishable".

What is corrected for depends on the reference. Against a reference fixed beforehand (the plain cell): all
other cells, for each measure. Against the best cell, which was found in the same data: all pairs of cells, since
the best could have been any of them; no choice made afterwards among pairs can then break the 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from jaxreg.statistics.intervals import Estimate, p_value

# The measures compared: their loss and part in `jaxreg.statistics.losses`.
COMPARED = {
    "test_cross_entropy": ("cross_entropy", "error"),
    "test_error": ("zero_one", "error"),
    "test_brier": ("brier", "error"),
    "test_scaled_cross_entropy": ("scaled_cross_entropy", "error"),
    "bias_brier": ("brier", "bias"),
    "variance_brier": ("brier", "variance"),
    "bias_cross_entropy": ("cross_entropy", "bias"),
    "variance_cross_entropy": ("cross_entropy", "variance"),
    "bias_scaled_cross_entropy": ("scaled_cross_entropy", "bias"),
    "variance_scaled_cross_entropy": ("scaled_cross_entropy", "variance"),
}
UNDECIDED = "not distinguishable"
LEVEL = 0.95


class Difference(NamedTuple):
    """A cell minus a reference, an entry a measure; and the error it would have without pairing."""

    cell: str
    reference: str
    paired: Estimate
    unpaired_error: np.ndarray


def holm(p: np.ndarray, number: int | None = None) -> np.ndarray:
    """Holm's adjusted p-values (1979) of a family of `number` tests, the rest of which are not rejected.

    nan stays nan and counts as a test that is not rejected.
    """
    p = np.asarray(p, dtype=np.float64)
    number = max(number or 0, len(p))
    adjusted = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p, kind="stable") if not np.isnan(p[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, float(p[i]) * (number - rank)))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values (1995); nan stays nan and is no test."""
    adjusted = np.array(p, dtype=np.float64)
    known = ~np.isnan(adjusted)
    adjusted[known] = stats.false_discovery_control(adjusted[known])
    return adjusted


def compare(differences: Sequence[Difference], measures: Sequence[str], tests: int | None = None) -> pd.DataFrame:
    """A row for each difference and measure.

    Args:
        differences: of one family.
        measures: the names of the entries.
        tests: how many differences the family has, if more than are given.

    Returns:
        `cell, reference, measure, difference, low, high, p, p_adjusted, verdict, gain`; `p` is for somebody who
        asks about this one pair alone; `gain` is how many times as many unpaired runs would give the same error
        (squared ratio of the errors).
    """
    tables = []
    for index, measure in enumerate(measures):
        p = [p_value(*(x[index] for x in d.paired[:3])) for d in differences]
        adjusted = holm(np.array(p), tests)
        rows = []
        for d, p_alone, p_adjusted in zip(differences, p, adjusted, strict=True):
            value, error = d.paired.value[index], d.paired.error[index]
            low, high = d.paired.interval(index, LEVEL)
            rows.append(
                {
                    "cell": d.cell,
                    "reference": d.reference,
                    "measure": measure,
                    "difference": value,
                    "low": low,
                    "high": high,
                    "p": p_alone,
                    "p_adjusted": p_adjusted,
                    "verdict": verdict(value, p_adjusted),
                    "gain": (d.unpaired_error[index] / error) ** 2 if error > 0 else np.nan,
                }
            )
        tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def compare_with_references(
    differences: Sequence[Difference], cells: Sequence[str], plain: str | None, best: str | None
) -> pd.DataFrame:
    """Against the plain cell, a family of its own; against the best, all pairs are the family."""
    measures = list(COMPARED)
    tables = []
    if plain is not None:
        tables.append(compare(against(differences, plain, cells), measures))
    if best is not None and best != plain:
        pairs = [d if best not in (d.cell, d.reference) else against([d], best, cells)[0] for d in differences]
        every = compare(pairs, measures, tests=len(cells) * (len(cells) - 1) // 2)
        shown = every[every["reference"] == best] if not every.empty else every
        order = {name: place for place, name in enumerate(cells)}
        tables.append(shown.sort_values("cell", key=lambda names: names.map(order), kind="stable"))
    columns = ["cell", "reference", "measure", "difference", "low", "high", "p", "p_adjusted", "verdict", "gain"]
    filled = [x for x in tables if not x.empty]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def verdict(difference: float, p_adjusted: float) -> str:
    """`lower`, `higher` or `not distinguishable`, the last also where there is no p-value."""
    if not p_adjusted < 1 - LEVEL:
        return UNDECIDED
    return "lower" if difference < 0 else "higher"


def against(differences: Sequence[Difference], reference: str, cells: Sequence[str]) -> list[Difference]:
    """The differences from `reference`, in the order of `cells`, turned round where need be."""
    found = {}
    for d in differences:
        if d.reference == reference:
            found[d.cell] = d
        elif d.cell == reference:
            turned = d.paired._replace(value=-d.paired.value)
            found[d.reference] = Difference(d.reference, reference, turned, d.unpaired_error)
    return [found[name] for name in cells if name in found]
