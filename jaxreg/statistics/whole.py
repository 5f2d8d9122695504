"""What the members trained on the whole training set score, and how their cells differ.

Their intervals cover other seeds and other test examples, and speak of this one training set: no other one was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.statistics.comparisons import against, compare
from jaxreg.statistics.groups import Group, counted, differences, grouped
from jaxreg.statistics.predictions import Predictions

_COMPARISON = ("difference", "low", "high", "p", "p_adjusted", "verdict")


def whole(
    members: pd.DataFrame,
    predictions: Predictions,
    member_ids: Sequence[str],
    reference: str | None,
) -> pd.DataFrame:
    """A row for each cell with members on all data, and each measure of `on_everything`.

    Args:
        members: as for `jaxreg.statistics.analysis.analyse`; those on splits are left out.
        predictions: of the members, in the order of `member_ids`.
        member_ids: whose predictions these are.
        reference: the cell that the others are compared with.

    Returns:
        `cell, seeds, diverged, measure, mean, mean_low, mean_high`, and of every cell but the reference `difference,
        low, high, p, p_adjusted, verdict` as in comparisons.csv: the family is all cells here. Empty where no member
        was trained on everything.
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
    diverged = {cell.name: cell.diverged for cell in cells}
    rows: list[dict[str, Any]] = []
    for group in groups:
        for name in group.names:
            for measure in predictions.measures.on_everything:
                rows.append(
                    {"cell": name, "seeds": group.design.units, "diverged": diverged[name], "measure": measure}
                    | _score(group, name, measure)
                    | {key: by_pair.get((name, measure), {}).get(key, np.nan) for key in _COMPARISON}
                )
    order = [cell.name for cell in cells]
    return pd.DataFrame(rows).sort_values(
        "cell", key=lambda names: names.map(order.index), kind="stable", ignore_index=True
    )


def _score(group: Group, cell: str, measure: str) -> dict[str, float]:
    found = group.by_measure[group.names.index(cell)].one(group.measures.index[group.measures.compared[measure].term])
    low, high = found.interval()
    return {"mean": float(found.value[0]), "mean_low": low, "mean_high": high}
