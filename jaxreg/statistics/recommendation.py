"""What to use: a rule that names a cell that is truly worse than the reference in at most one study of twenty.

What somebody cares about is a purpose: the probabilities, scored by cross-entropy (as they are, or after one
temperature a model) or by the Brier score; or the labels alone, scored by accuracy. For each

1. only cells told better than the reference in its measure can be recommended: lower after the correction for the
   number of cells (`jaxreg.statistics.comparisons`), so that one of them is no better in at most 5 % of studies;
2. what costs something comes second: a cell worse in the other measure (accuracy for who wants probabilities,
   cross-entropy for who wants labels) is recommended only where every cell told better is, and its price is said. Worse
   is what is so by itself, before any correction: a further condition on cells that passed the first can't name a
   wrong one more often, and corrected, the more cells there are, the more harm it would let pass;
3. of what is left the lowest mean is recommended, and the cells within one standard error of it are named with it;
4. where nothing is told better, the reference is.

For the whole training set the parts carry the advice, as a few seeds on it can tell little. A cell that is told better
on the parts has kin on the whole set: itself, and the same at strengths scaled by the sizes. Of these, those are left
that are better than the reference in the mean and not worse, as in 2, in the other measure, and the lowest mean is
recommended; where none is left, the reference is. `python -m jaxreg.coverage` holds the rule for parts against known
truths; that for the whole set is not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.measures import CLASSES, Measures, Purpose
from jaxreg.statistics.comparisons import LEVEL, Difference

COLUMNS = (
    "scope", "purpose", "measure", "cell", "told_by", "difference", "low", "high", "other", "other_difference",
    "other_low", "other_high", "other_verdict", "as_good", "better", "worse",
)  # fmt: skip


def recommend(
    comparisons: pd.DataFrame,
    pairs: Sequence[Difference],
    reference: str,
    candidates: Sequence[str],
    whole: pd.DataFrame | None = None,
    kin: Mapping[str, Sequence[str]] | None = None,
    measures: Measures = CLASSES,
) -> pd.DataFrame:
    """What to use for each purpose, on the parts and, where members were trained on all data, for the whole.

    Args:
        comparisons: as in comparisons.csv, with the differences from `reference`.
        pairs: the differences between cells, for what is within one standard error.
        reference: what is used where nothing is told better.
        candidates: the cells that may be recommended.
        whole: as in whole.csv.
        kin: for a cell, its own and the other cells on the whole set that speak for it; itself by default.
        measures: of the kind of target.

    Returns:
        `COLUMNS`: `scope` is "parts" or "whole"; `cell` what to use; `told_by`, of the whole, the cell on the parts
        that carries it; `difference` from the reference in `measure`, with its interval, and the same in the `other`
        measure; `as_good` the cells told better that are within one standard error of `cell`, `better` and `worse`
        all that are told so, each joined by "; ". Differences are nan where `cell` is the reference.
    """
    on_parts = _table(comparisons[comparisons["reference"] == reference])
    rows = [_on_parts(name, measures, on_parts, pairs, reference, candidates) for name in measures.purposes]
    if whole is not None and len(whole):
        on_all = _table(whole)
        for row in list(rows):
            told = [cell for cell in str(row["better"]).split("; ") if cell]
            related = {cell: list((kin or {}).get(cell, [cell])) for cell in told}
            rows.append(_on_all(str(row["purpose"]), measures, on_all, reference, related))
    return pd.DataFrame(rows, columns=list(COLUMNS))


Table = Mapping[tuple[str, str], Mapping[str, Any]]


def _table(rows: pd.DataFrame) -> Table:
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    return {(str(row["cell"]), str(row["measure"])): row for row in records}


def _told(table: Table, cell: str, measure: str, word: str) -> bool:
    return table.get((cell, measure), {}).get("verdict") == word


def harmed(row: Mapping[str, Any]) -> bool:
    """Whether a difference, a row of comparisons.csv or whole.csv, is one for the worse, taken by itself."""
    return bool(row.get("verdict") == "higher" or (row.get("difference", 0) > 0 and row.get("p", 1) < 1 - LEVEL))


def _within_one_error(pairs: Sequence[Difference], best: str, index: int) -> set[str]:
    """The cells that are worse than `best` by no more than one standard error of that difference."""
    found = set()
    for pair in pairs:
        if best in (pair.cell, pair.reference):
            one, sign = (pair.cell, 1) if pair.reference == best else (pair.reference, -1)
            if sign * pair.paired.value[index] <= pair.paired.error[index]:
                found.add(one)
    return found


def _on_parts(
    name: str,
    measures: Measures,
    table: Table,
    pairs: Sequence[Difference],
    reference: str,
    candidates: Sequence[str],
) -> dict[str, object]:
    purpose = measures.purposes[name]
    others = [cell for cell in candidates if cell != reference]
    better = [cell for cell in others if _told(table, cell, purpose.measure, "lower")]
    worse = [cell for cell in others if _told(table, cell, purpose.measure, "higher")]
    free = [cell for cell in better if not harmed(table.get((cell, purpose.other), {}))] or better
    best = min(free, key=lambda cell: table[cell, purpose.measure]["difference"], default=None)
    close = set() if best is None else _within_one_error(pairs, best, list(measures.compared).index(purpose.measure))
    as_good = [cell for cell in better if cell in close]
    return _row("parts", name, purpose, table, reference, best, best, as_good, better, worse)


def _on_all(
    name: str, measures: Measures, table: Table, reference: str, related: Mapping[str, Sequence[str]]
) -> dict[str, object]:
    purpose = measures.purposes[name]
    told_by = {cell: by for by, cells in reversed(list(related.items())) for cell in cells}
    cells = {cell for cell, _ in table if cell != reference}
    better = [cell for cell in cells if _told(table, cell, purpose.measure, "lower")]
    worse = [cell for cell in cells if _told(table, cell, purpose.measure, "higher")]
    left = [
        cell
        for cell in told_by
        if table.get((cell, purpose.measure), {}).get("difference", np.nan) < 0
        and not harmed(table.get((cell, purpose.other), {}))
    ]
    best = min(left, key=lambda cell: table[cell, purpose.measure]["difference"], default=None)
    return _row(
        "whole", name, purpose, table, reference, best, None if best is None else told_by[best], [], better, worse
    )


def _row(
    scope: str,
    name: str,
    purpose: Purpose,
    table: Table,
    reference: str,
    best: str | None,
    told_by: str | None,
    as_good: Sequence[str],
    better: Sequence[str],
    worse: Sequence[str],
) -> dict[str, object]:
    own, other = (table.get((best or "", measure), {}) for measure in (purpose.measure, purpose.other))
    numbers = {key: own.get(key, np.nan) for key in ("difference", "low", "high")}
    prices = {f"other_{key}": other.get(key, np.nan) for key in ("difference", "low", "high", "verdict")}
    listed = {"as_good": as_good, "better": sorted(better), "worse": sorted(worse)}
    return {
        "scope": scope,
        "purpose": name,
        "measure": purpose.measure,
        "cell": best or reference,
        "told_by": told_by,
        **numbers,
        "other": purpose.other,
        **prices,
        **{key: "; ".join(cells) for key, cells in listed.items()},
    }
