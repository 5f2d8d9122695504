"""What the members trained on the whole training set score, and how their cells differ.

Their intervals cover other seeds and other test examples, and speak of this one training set: no other one was drawn.

Whether a cell's error here is larger than on the parts is a difference of two sets of models on the same examples: what
examples do is of the difference, t_j here minus t_j there, and what models do is of either alone,

    var = var_j(t_j - t'_j) / n + units' part here + units' part there

with the two units' parts, and the doubt about them, of `jaxreg.statistics.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.statistics.comparisons import against, compare
from jaxreg.statistics.groups import Group, counted, differences, grouped
from jaxreg.statistics.intervals import Estimate, interval
from jaxreg.statistics.predictions import Predictions

_AGAINST_PARTS = ("parts_difference", "parts_low", "parts_high")
_COMPARISON = ("difference", "low", "high", "p", "p_adjusted", "verdict")


def whole(
    members: pd.DataFrame,
    predictions: Predictions,
    member_ids: Sequence[str],
    reference: str | None,
    parts: Sequence[Group] = (),
) -> pd.DataFrame:
    """A row for each cell with members on all data, and each measure of `on_everything`.

    Args:
        members: as for `jaxreg.statistics.analysis.analyse`; those on splits are left out.
        predictions: of the members, in the order of `member_ids`.
        member_ids: whose predictions these are.
        reference: the cell that the others are compared with.
        parts: the same cells on parts of the data, with their predictions of the same examples.

    Returns:
        `cell, seeds, diverged, measure, mean, mean_low, mean_high`, and of every cell but the reference `difference,
        low, high, p, p_adjusted, verdict` as in comparisons.csv: the family is all cells here; `parts_difference` is
        what it scores more than on parts, with `parts_low, parts_high`; nan where that is not known. Empty where no
        member was trained on everything.
    """
    cells = counted(members, member_ids, on_all=True)
    groups = grouped(cells, predictions)
    if not groups:
        return pd.DataFrame()
    names = [name for group in groups for name in group.names]
    pairs = []
    if reference in names:
        pairs = against(differences(groups, cells, predictions, [str(reference)]), str(reference), names)
    table = compare([pairs] if pairs else [], list(predictions.measures.compared))
    by_pair = {(str(row["cell"]), str(row["measure"])): row for row in table.to_dict("records")}
    home = {name: part for part in parts for name in part.names}
    diverged = {cell.name: cell.diverged for cell in cells}
    rows: list[dict[str, Any]] = []
    for group in groups:
        for name in group.names:
            for measure in predictions.measures.on_everything:
                rows.append(
                    {"cell": name, "seeds": group.design.units, "diverged": diverged[name], "measure": measure}
                    | _score(group, name, measure)
                    | {key: by_pair.get((name, measure), {}).get(key, np.nan) for key in _COMPARISON}
                    | _against_parts(group, home.get(name), name, measure)
                )
    order = [cell.name for cell in cells]
    return pd.DataFrame(rows).sort_values(
        "cell", key=lambda names: names.map(order.index), kind="stable", ignore_index=True
    )


def _against_parts(group: Group, parts: Group | None, cell: str, measure: str) -> dict[str, float]:
    """What a cell scores more than on parts; of single models, of which none says how far another is off, nothing."""
    found = [float("nan")] * 3
    if parts is not None and min(group.design.units, parts.design.units) > 1:
        term = group.measures.index[group.measures.compared[measure].term]
        places = [(one, one.names.index(cell)) for one in (group, parts)]
        here, there = (one.terms[place, term].astype(float) for one, place in places)
        examples = (here - there).var(ddof=1) / here.size
        of_models = [_of_models(one.by_measure[place].one(term), here.size) for one, place in places]
        square = examples + sum(part for part, _ in of_models)
        doubt = examples**2 / (here.size - 1) + sum(doubt for _, doubt in of_models)
        value = float(here.mean() - there.mean())
        found = [value, *interval(value, square**0.5, square**2 / doubt if doubt > 0 else np.inf)]
    return dict(zip(_AGAINST_PARTS, found, strict=True))


def _of_models(found: Estimate, examples: int) -> tuple[float, float]:
    """The part of error^2 that further models would reduce, and the doubt about it, error^4 over its freedom."""
    if not found.error[0] > 0:
        return 0.0, 0.0
    square, share = float(found.error[0] ** 2), float(found.from_units[0])
    doubt = square**2 / float(found.freedom[0]) - (square * (1 - share)) ** 2 / (examples - 1)
    return square * share, max(doubt, 0.0)


def _score(group: Group, cell: str, measure: str) -> dict[str, float]:
    found = group.by_measure[group.names.index(cell)].one(group.measures.index[group.measures.compared[measure].term])
    low, high = found.interval()
    return {"mean": float(found.value[0]), "mean_low": low, "mean_high": high}
