"""Cells against each other: paired by split, seed and test example, corrected for how many are compared.

Cells share training sets, seeds and test examples, so what these do to both cancels in the difference; its
error comes from `jaxreg.statistics.intervals`, with the split as the unit (the seed where there is one split), and
covers new training sets, seeds and test examples. How far units spread is learnt from all differences of a family
(`jaxreg.statistics.moderation`), and p-values and intervals alike are of that: they are moderated. The interval is for
the one difference. The verdict uses the p-value after Holm's correction, so an interval may exclude 0 where the
verdict is "not distinguishable".

What is corrected for depends on the reference. Against a reference fixed beforehand (the plain cell): all
other cells, for each measure. Against the best cell, which was found in the same data: all pairs of cells, since
the best could have been any of them; no choice made afterwards among pairs can then break the 5 %. For the same reason
the families that are moderated do not depend on what is best: they are the pairs with the plain cell, and all others.

A multivariate t distribution in the place of Holm's correction would use that differences share their reference. As
each has a spread of its own, which decides how far its t goes, that gains little (`python -m jaxreg.coverage` has the
figures), and only where the correlation is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from jaxreg.statistics.boundaries import Look
from jaxreg.statistics.intervals import Estimate
from jaxreg.statistics.moderation import Mixture, moderate

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


def compare(
    families: Sequence[Sequence[Difference]],
    measures: Sequence[str],
    tests: int | None = None,
    reference: str | None = None,
    look: Look | None = None,
) -> pd.DataFrame:
    """A row for each difference and measure, corrected for all of them.

    Args:
        families: differences of which each tells how far the others of its family spread.
        measures: the names of the entries.
        tests: how many differences are corrected for, if more than are given.
        reference: whose differences have rows, if not all.
        look: which one this is, where the study was looked at before: p-values and intervals are repeated ones then.

    Returns:
        `cell, reference, measure, difference, low, high, p, p_adjusted, verdict, gain`; `p` is for somebody who
        asks about this one pair alone; `gain` is how many times as many unpaired runs would give the same error
        (squared ratio of the errors).
    """
    differences = [d for family in families for d in family]
    level = LEVEL if look is None else 1 - look.level(1 - LEVEL)
    tables = []
    for index, measure in enumerate(measures):
        sure = [one for family in families for one in moderated(family, index)]
        p = [p_value(d.paired, index, one) for d, one in zip(differences, sure, strict=True)]
        p = p if look is None else [look.p_value(one) for one in p]
        adjusted = holm(np.array(p), tests)
        rows = []
        for d, one, p_alone, p_adjusted in zip(differences, sure, p, adjusted, strict=True):
            if reference not in (None, d.reference):
                continue
            value, error = float(d.paired.value[index]), d.paired.error[index]
            half = one.half_width(level) if one else 0.0 if error == 0 else np.nan
            rows.append(
                {
                    "cell": d.cell,
                    "reference": d.reference,
                    "measure": measure,
                    "difference": value,
                    "low": value - half,
                    "high": value + half,
                    "p": p_alone,
                    "p_adjusted": p_adjusted,
                    "verdict": verdict(value, p_adjusted),
                    "gain": (d.unpaired_error[index] / error) ** 2 if error > 0 else np.nan,
                }
            )
        tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def moderated(family: Sequence[Difference], index: int) -> list[Mixture | None]:
    """`jaxreg.statistics.moderation.moderate` of one measure."""
    pairs = [{d.cell, d.reference} for d in family]
    overlap = sum(bool(a & b) for a in pairs for b in pairs) / max(len(pairs), 1) - 1
    return moderate([d.paired for d in family], index, overlap)


def p_value(paired: Estimate, index: int, sure: Mixture | None) -> float:
    """Two-sided, of "the true value is 0"; nan where the error is not known."""
    if sure:
        return sure.p_value(paired.value[index])
    return float(paired.value[index] == 0) if paired.error[index] == 0 else float("nan")


def compare_with_references(
    differences: Sequence[Difference],
    cells: Sequence[str],
    plain: str | None,
    best: str | None,
    measures: Sequence[str],
    look: Look | None = None,
) -> pd.DataFrame:
    """Against the plain cell, corrected for these; against the best, for all pairs; in each of the measures.

    What an earlier look has told of the plain cell stays told.
    """
    tables = []
    with_plain = against(differences, plain, cells) if plain is not None else []
    if with_plain:
        found = compare([with_plain], measures, look=look)
        if look is not None:
            rows = zip(found["cell"], found["measure"], found["verdict"], strict=True)
            found["verdict"] = [look.told.get(c, v) if measure == look.measure else v for c, measure, v in rows]
        tables.append(found)
    if best is not None and best != plain:
        others = [d for d in differences if plain not in (d.cell, d.reference)]
        families = [[_from(d, best) for d in family] for family in (with_plain, others)]
        shown = compare(families, measures, len(cells) * (len(cells) - 1) // 2, best, look)
        if not shown.empty:
            order = {name: place for place, name in enumerate(cells)}
            tables.append(shown.sort_values("cell", key=lambda names: names.map(order), kind="stable"))
    columns = ["cell", "reference", "measure", "difference", "low", "high", "p", "p_adjusted", "verdict", "gain"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def verdict(difference: float, p_adjusted: float) -> str:
    """`lower`, `higher` or `not distinguishable`, the last also where there is no p-value."""
    if not p_adjusted < 1 - LEVEL:
        return UNDECIDED
    return "lower" if difference < 0 else "higher"


def against(differences: Sequence[Difference], reference: str, cells: Sequence[str]) -> list[Difference]:
    """The differences from `reference`, in the order of `cells`, turned round where need be."""
    found = {d.cell: d for d in (_from(one, reference) for one in differences) if d.reference == reference}
    return [found[name] for name in cells if name in found]


def _from(d: Difference, reference: str) -> Difference:
    """The same difference, turned round if it is one of `reference` from something else."""
    if d.cell != reference:
        return d
    return Difference(d.reference, reference, d.paired._replace(value=-d.paired.value), d.unpaired_error)
