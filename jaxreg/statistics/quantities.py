"""Error, bias and variance of each of several quantities by itself, in its own unit.

Squared error, bias and variance are sums over the quantities of a test example (`jaxreg.statistics.squared`), so that a
pair of example and quantity is an example of one quantity. RMSE is the root of the squared error, and its interval that
of the squared error by the roots of its ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.measures import PARTS, QUANTITIES
from jaxreg.statistics import decomposition, squared
from jaxreg.statistics.cross_validation import CrossValidation, Folds, NestedLosses, running, unknown_from_folds
from jaxreg.statistics.groups import design_of
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.predictions import CellMembers, Predictions, QuantityPredictions
from jaxreg.statistics.units import Found

LONGEST_NAME = 200  # letters of a quantity's name
ENDS = ("", "_low", "_high")


def table(
    cells: Mapping[str, Sequence[CellMembers]],
    predictions: Predictions,
    units: Sequence[tuple[str, float]],
    folds: Folds | None = None,
) -> pd.DataFrame:
    """The rows of quantities.csv: one for each cell and quantity; none where fewer than two quantities are predicted.

    Args:
        cells: with their counted members, by scope: those on "parts" and those on the "whole" training set.
        predictions: of the members.
        units: of each quantity its name, and what a difference of 1 in the predictions is.
        folds: where the members on parts are out-of-fold models, of which bias and variance are not known.

    Returns:
        `scope, cell, quantity` (its number), `quantity_name`; `error, bias, variance, variance_split, variance_seed` in
        the square of its unit, nan where the design can't tell; `rmse` in its unit; `r2`, nan where all test targets
        are the same; `absolute_error` in its unit; each with `_low` and `_high`.
    """
    rows: list[dict[str, Any]] = []
    if isinstance(predictions, QuantityPredictions) and len(units) > 1:
        for scope, some in cells.items():
            for cell in (one for one in some if one.pairs):
                own = _of_cell(cell, predictions, units, folds if scope == "parts" else None)
                rows += [{"scope": scope, "cell": cell.name} | row for row in own]
    return pd.DataFrame(rows)


def _of_cell(
    cell: CellMembers, predictions: QuantityPredictions, units: Sequence[tuple[str, float]], folds: Folds | None
) -> list[dict[str, Any]]:
    layout, where, rows = _sums(cell, predictions, folds), design_of(cell), []
    for place, (name, unit) in enumerate(units):
        found = decomposition.table(layout, where, measures=QUANTITIES, place=place).set_index("loss")
        square, absolute = found.loc["squared_error"], found.loc["absolute_error"]
        row: dict[str, Any] = {"quantity": place, "quantity_name": name[:LONGEST_NAME].replace("\0", "")}
        row |= {f"{part}{end}": square[f"{part}{end}"] * unit**2 for part in PARTS for end in ENDS}
        row |= {f"rmse{end}": max(row[f"error{end}"], 0.0) ** 0.5 for end in ENDS}
        row |= {f"r2{end}": square[f"r2{end}"] for end in ENDS}
        rows.append(row | {f"absolute_error{end}": absolute[f"error{end}"] * unit for end in ENDS})
    return rows


def _sums(cell: CellMembers, predictions: QuantityPredictions, folds: Folds | None) -> TwoWay:
    """Sums of a cell: the series are `QUANTITIES.terms`, the measures the quantities as they are predicted."""
    number, quantities, where = len(QUANTITIES.terms), predictions.targets.shape[1], design_of(cell)
    layout = running(number, quantities, where, folds)
    unknown = [] if folds is None else unknown_from_folds(QUANTITIES)
    for block in predictions.blocks(quantities, where):
        estimate, pseudo = _terms(cell, predictions, block)
        estimate[unknown] = pseudo[unknown] = np.nan
        layout.add(estimate, pseudo)
    if isinstance(layout, CrossValidation) and folds is not None:
        nested, deals = folds.nested(cell), folds.deal[list(cell.rows)]
        losses = NestedLosses(number, quantities, folds)
        for block in predictions.blocks(quantities, design_of(nested)):
            _, pseudo = _terms(nested, predictions, block)
            losses.add(block, pseudo.reshape(number, quantities, len(deals), folds.number, -1), deals)
        layout.mean_square = losses.mean_square()
    return layout


def _terms(cell: CellMembers, predictions: QuantityPredictions, block: slice) -> Found:
    """Of each quantity estimates [term, quantity, example] and pseudo-values [term, quantity, unit, example]."""
    values, targets = predictions.values[list(cell.rows), block], predictions.targets[block]
    means = np.broadcast_to(predictions.means, targets.shape).reshape(-1, 1)
    found = squared.terms(values.reshape(len(values), -1, 1), targets.reshape(-1, 1), means, design_of(cell))
    estimate, pseudo = (x.reshape(*x.shape[:-1], *targets.shape) for x in found)
    return estimate.swapaxes(1, 2), np.moveaxis(pseudo, -1, 1)
