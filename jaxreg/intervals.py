"""How sure an average over models and test examples is, when both are samples.

Every quantity here is an average over test examples of something computed from the models of one cell. To
redo the experiment would mean new training sets, new seeds and new test images, so each of them has to be in
the error. The method is the one of studies in which several readers judge the same cases (Dorfman, Berbaum
and Metz 1992; Hillis 2007), with units (training sets, or seeds where there is one set) as readers:

1. Leave each unit out in turn; pseudo-value of unit u and example j: P_uj = U * t_j - (U - 1) * t_j(without u).
   For an average over models that is the unit's own value; for a variance it is, to first order, the unit's
   squared distance from the centre.
2. Split the spread of P into units, examples and their interaction, as in a two-way layout without repeats:
       var = (MS_unit + max(MS_example - MS_interaction, 0)) / (U * n)
3. A t interval with Satterthwaite's degrees of freedom, as MS_unit has only U - 1 of them:
       freedom = (MS_unit + max(...))^2 / (MS_unit^2 / (U - 1) + MS_example^2 / (n - 1) + ...)

With one unit nothing is known about other models: the interval then covers test examples alone.
`python -m jaxreg.coverage` checks that 95 % means 95 %.
"""

from __future__ import annotations

import numpy as np
from scipy import stats


class TwoWay:
    """Running sums of pseudo-values from which any cell, or difference of two cells, gets its error.

    Differences are paired: cells share units and examples, and what they share cancels. Only sums and
    products of cells are kept, so examples may come in blocks.
    """

    def __init__(self, cells: int, measures: int, units: int) -> None:
        self.units = units
        self.examples = 0
        self.sums = np.zeros((measures, cells))  # of the estimates over examples
        self.rows = np.zeros((measures, cells, units))  # of the pseudo-values over examples
        self.columns = np.zeros(
            (measures, cells, cells)
        )  # products of means over units, summed over examples
        self.entries = np.zeros((measures, cells, cells))  # products of pseudo-values, summed over everything

    def add(self, estimate: np.ndarray, pseudo: np.ndarray) -> None:
        """Add a block: `estimate` [cell, measure, example], `pseudo` [cell, measure, unit, example]."""
        self.examples += estimate.shape[-1]
        with np.errstate(
            invalid="ignore"
        ):  # infinite losses: their sums are inf or nan, and are shown as such
            self.sums += estimate.sum(-1).T
            self.rows += pseudo.sum(-1).swapaxes(0, 1)
            mean = pseudo.mean(2).swapaxes(0, 1)
            self.columns += mean @ mean.swapaxes(1, 2)
            flat = pseudo.swapaxes(0, 1).reshape(*mean.shape[:2], -1)
            self.entries += flat @ flat.swapaxes(1, 2)

    def cell(self, cell: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Estimate, standard error and degrees of freedom of each measure, [measure] each."""
        return self._solve(
            self.sums[:, cell], self.rows[:, cell], self.columns[:, cell, cell], self.entries[:, cell, cell]
        )

    def difference(self, cell: int, reference: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same of `cell` minus `reference`, paired."""

        def square(gram: np.ndarray) -> np.ndarray:
            return gram[:, cell, cell] + gram[:, reference, reference] - 2 * gram[:, cell, reference]

        with np.errstate(invalid="ignore"):
            return self._solve(
                self.sums[:, cell] - self.sums[:, reference],
                self.rows[:, cell] - self.rows[:, reference],
                square(self.columns),
                square(self.entries),
            )

    def _solve(
        self, total: np.ndarray, rows: np.ndarray, columns: np.ndarray, entries: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        units, examples = self.units, self.examples
        with np.errstate(invalid="ignore", divide="ignore"):
            means = rows / examples
            grand = means.mean(-1)
            by_example = units * (columns - examples * grand**2)
            ms_example = by_example / (examples - 1)
            if units == 1:
                return total / examples, np.sqrt(ms_example / examples), np.full_like(grand, examples - 1.0)
            by_unit = examples * np.square(means - grand[:, None]).sum(-1)
            ms_unit = by_unit / (units - 1)
            rest = np.maximum(entries - units * examples * grand**2 - by_unit - by_example, 0.0)
            ms_rest = rest / ((units - 1) * (examples - 1))
            spread = ms_unit + np.maximum(ms_example - ms_rest, 0.0)
            doubt = ms_unit**2 / (units - 1)
            doubt += np.where(
                ms_example > ms_rest,
                ms_example**2 / (examples - 1) + ms_rest**2 / ((units - 1) * (examples - 1)),
                0.0,
            )
            return total / examples, np.sqrt(spread / (units * examples)), spread**2 / doubt


def interval(estimate: float, error: float, freedom: float, level: float = 0.95) -> tuple[float, float]:
    """The t interval; nan where the error is not known."""
    if not np.isfinite(error):
        return float("nan"), float("nan")
    if error == 0:
        return float(estimate), float(estimate)
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return estimate - half, estimate + half


def p_value(estimate: float, error: float, freedom: float) -> float:
    """Two-sided, of "the true value is 0"; nan where the error is not known."""
    if not np.isfinite(error):
        return float("nan")
    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    return float(2 * stats.t.sf(abs(estimate / error), freedom))
