"""Error, bias and variance of each of several quantities by itself, in its own unit.

Squared error, bias and variance are sums over the quantities of a test example (`jaxreg.statistics.squared`), so that a
pair of example and quantity is an example of one quantity. With v the variance of a quantity over its test targets,

    rmse = error^(1/2),    r2 = 1 - error / v
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxreg.measures import PARTS, QUANTITIES
from jaxreg.statistics import squared
from jaxreg.statistics.groups import design_of
from jaxreg.statistics.predictions import CellMembers, Predictions, QuantityPredictions

LONGEST_NAME = 200  # letters of a quantity's name


def table(
    cells: Mapping[str, Sequence[CellMembers]],
    predictions: Predictions,
    units: Sequence[tuple[str, float]],
    folded: bool = False,
) -> pd.DataFrame:
    """The rows of quantities.csv: one for each cell and quantity; none where fewer than two quantities are predicted.

    Args:
        cells: with their counted members, by scope: those on "parts" and those on the "whole" training set.
        predictions: of the members.
        units: of each quantity its name, and what a difference of 1 in the predictions is.
        folded: whether members are out-of-fold models, of which bias and variance are not known.

    Returns:
        `scope, cell, quantity` (its number), `quantity_name`; `error, bias, variance, variance_split, variance_seed` in
        the square of its unit, nan where the design can't tell; `rmse` in its unit; `r2`, nan where all test targets
        are the same; `absolute_error` in its unit.
    """
    rows: list[dict[str, Any]] = []
    if isinstance(predictions, QuantityPredictions) and len(units) > 1:
        for scope, some in cells.items():
            for cell in (one for one in some if one.pairs):
                rows += [
                    {"scope": scope, "cell": cell.name} | row for row in _of_cell(cell, predictions, units, folded)
                ]
    return pd.DataFrame(rows)


def _of_cell(
    cell: CellMembers, predictions: QuantityPredictions, units: Sequence[tuple[str, float]], folded: bool
) -> list[dict[str, Any]]:
    means, spreads = _means(cell, predictions), predictions.targets.var(0)
    rows = []
    for place, (name, unit) in enumerate(units):
        parts = {part: means[QUANTITIES.index["squared_error", part], place] * unit**2 for part in PARTS}
        if folded:
            parts = dict.fromkeys(PARTS, np.nan) | {"error": parts["error"]}
        spread = spreads[place] * unit**2
        rows.append(
            {"quantity": place, "quantity_name": name[:LONGEST_NAME].replace("\0", "")}
            | parts
            | {"rmse": parts["error"] ** 0.5, "r2": 1 - parts["error"] / spread if spread > 0 else np.nan}
            | {"absolute_error": means[QUANTITIES.index["absolute_error", "error"], place] * unit}
        )
    return rows


def _means(cell: CellMembers, predictions: QuantityPredictions) -> Float[np.ndarray, "measure quantity"]:
    """Each of `QUANTITIES.terms`, mean over the examples, of each quantity as it is predicted."""
    where, (examples, quantities) = design_of(cell), predictions.targets.shape
    total = np.zeros((len(QUANTITIES.terms), quantities))
    for block in predictions.blocks(quantities, where):
        values, targets = predictions.values[list(cell.rows), block], predictions.targets[block]
        estimate, _ = squared.terms(values.reshape(len(values), -1, 1), targets.reshape(-1, 1), where)
        total += estimate.reshape(-1, *targets.shape).sum(1)
    return total / examples
