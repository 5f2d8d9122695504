"""How sure an average over models and test examples is, when both are samples.

Every quantity here is an average over n test examples of something, t_j, computed from the models of one cell.
To redo the experiment would mean new training sets, new seeds and new test examples, so each of them has to be
in the error. The method is that of studies in which several readers judge the same cases (Dorfman, Berbaum and
Metz 1992; Gallas 2006; Hillis 2007), with U units (training sets, or seeds where there is one set) as readers:

1. Leave each unit out in turn; pseudo-value of unit u, example j:
       P_uj = U t_j - (U - 1) t_j(without u)
   For an average over models that is the unit's own value; for a variance it is, to first order, the unit's
   squared distance from the centre. It is the jackknife over units, done for each example.
2. Other test examples: the variance of t_j over examples, divided by n. Other models: the spread of the units'
   means of P, less what the choice of examples adds to it, from the two-way layout of units and examples:
       var = var_j(t_j) / n  +  max(MS_unit - MS_interaction, 0) / (U n)
   The interaction of models with examples is in the first term already. A vote is no smooth function of
   the models, so that leaving one out changes single examples wildly; what is left in the means of all examples
   is smooth again, and this is why the interaction has to go from the second term.
3. A t interval with Satterthwaite's degrees of freedom, as MS_unit has only U - 1 of them.

With one unit nothing is known about other models: the interval then covers test examples alone, and differences
have none. The jackknife of a variance wants three units; with two there is no interval. It errs on the wide
side where first-order terms vanish, as in the difference of two nearly equal biases.
`python -m jaxreg.coverage` checks that 95 % means 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A number of each measure with its standard error and degrees of freedom; [measure] each."""

    value: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    from_units: np.ndarray  # share of error^2 that more units would reduce; the rest, more examples
    units: int

    def interval(self, index: int = 0, level: float = 0.95) -> tuple[float, float]:
        return interval(self.value[index], self.error[index], self.freedom[index], level)


class TwoWay:
    """Running sums of pseudo-values, from which any series, or combination of series, gets its error.

    Series are what is compared with each other: cells, whose differences are paired, since they share units
    and examples and what they share cancels. Only sums and products of series are kept, so examples may come
    in blocks.
    """

    def __init__(self, series: int, measures: int, units: int) -> None:
        self.units = units
        self.examples = 0
        self.sums = np.zeros((measures, series))  # of the estimates over examples
        self.rows = np.zeros((measures, series, units))  # of the pseudo-values over examples
        self.squares = np.zeros((measures, series, series))  # products of estimates, summed over examples
        self.columns = np.zeros((measures, series, series))  # products of means over units, summed over examples
        self.entries = np.zeros((measures, series, series))  # products of pseudo-values, summed over all

    def add(self, estimate: np.ndarray, pseudo: np.ndarray) -> None:
        """Add a block: `estimate` [series, measure, example], `pseudo` [series, measure, unit, example]."""
        self.examples += estimate.shape[-1]
        with np.errstate(invalid="ignore"):  # infinite losses: their sums are inf or nan, and are shown as such
            self.sums += estimate.sum(-1).T
            by_measure = estimate.swapaxes(0, 1)
            self.squares += by_measure @ by_measure.swapaxes(1, 2)
            self.rows += pseudo.sum(-1).swapaxes(0, 1)
            mean = pseudo.mean(2).swapaxes(0, 1)
            self.columns += mean @ mean.swapaxes(1, 2)
            flat = pseudo.swapaxes(0, 1).reshape(*mean.shape[:2], -1)
            self.entries += flat @ flat.swapaxes(1, 2)

    def one(self, series: int) -> Estimate:
        """The estimate of one series."""
        return self.combined([series], np.ones((1, 1)))

    def difference(self, series: int, reference: int) -> Estimate:
        """One series minus another, paired; of single models the error is nan.

        Two single models differ by their training as much as by what they are examples of.
        """
        found = self.combined([series, reference], np.array([[1.0, -1.0]]))
        return found if self.units > 1 else found._replace(error=np.full_like(found.error, np.nan))

    def differences(self, reference: int, measure: int = 0) -> Estimate:
        """Every series minus one of them, paired, in one measure: an entry a series."""

        def apart(products: np.ndarray) -> np.ndarray:
            table, own = products[measure], np.diagonal(products[measure])
            return own + own[reference] - 2 * table[reference]

        with np.errstate(invalid="ignore", divide="ignore"):
            return self._solve(
                self.sums[measure] - self.sums[measure, reference],
                self.rows[measure] - self.rows[measure, reference],
                apart(self.squares),
                apart(self.columns),
                apart(self.entries),
            )

    def ratio(self, part: int, whole: int) -> Estimate:
        """One series divided by another: the error is that of its linear approximation."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.sums[:, part] / self.sums[:, whole]
            scale = self.examples / self.sums[:, whole]
            weights = np.stack([scale, -share * scale], axis=1)
        return self.combined([part, whole], weights)._replace(value=share)

    def combined(self, series: Sequence[int], weights: np.ndarray) -> Estimate:
        """The sum of `series` times `weights` [measure or 1, series]."""
        which = np.array(series)
        with np.errstate(invalid="ignore", divide="ignore"):
            gram = (slice(None), which[:, None], which[None, :])
            square = weights[:, :, None] * weights[:, None, :]
            return self._solve(
                (self.sums[:, which] * weights).sum(1),
                (self.rows[:, which] * weights[..., None]).sum(1),
                (self.squares[gram] * square).sum((1, 2)),
                (self.columns[gram] * square).sum((1, 2)),
                (self.entries[gram] * square).sum((1, 2)),
            )

    def _solve(
        self, total: np.ndarray, rows: np.ndarray, squares: np.ndarray, columns: np.ndarray, entries: np.ndarray
    ) -> Estimate:
        units, examples = self.units, self.examples
        value = total / examples
        from_examples = np.maximum(squares - examples * value**2, 0.0) / (examples - 1) / examples
        doubt = from_examples**2 / (examples - 1)
        from_units = np.zeros_like(value)
        if units > 1:
            means = rows / examples
            grand = means.mean(-1)
            by_unit = examples * np.square(means - grand[:, None]).sum(-1)
            by_example = units * (columns - examples * grand**2)
            rest = np.maximum(entries - units * examples * grand**2 - by_unit - by_example, 0.0)
            ms_unit = by_unit / (units - 1) / (units * examples)
            ms_rest = rest / ((units - 1) * (examples - 1)) / (units * examples)
            from_units = np.maximum(ms_unit - ms_rest, 0.0)
            # The doubt in the difference is that in ms_unit. It fades where the difference is small against
            # ms_unit, so that nothing jumps where it reaches 0 (the 4 keeps coverage: see jaxreg.coverage).
            doubt += ms_unit * np.minimum(ms_unit, 4 * from_units) / (units - 1)
        # Of what is the same everywhere, sums of squares leave rounding: as an error it would have 0.001 degrees of
        # freedom or so, and an interval of 10^137.
        rounding = from_examples + from_units <= 16 * np.finfo(np.float64).eps * np.square(value) / examples
        from_examples, from_units = (np.where(rounding, 0.0, x) for x in (from_examples, from_units))
        square = from_examples + from_units
        return Estimate(value, np.sqrt(square), square**2 / doubt, from_units / square, units)


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
