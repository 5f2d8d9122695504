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

The same data may have been dealt into disjoint splits D times, as Yang et al. (2020) do. Splits of one deal share
nothing; those of different deals share examples, so a further deal helps less than further data. Everything above is
then computed within each deal and averaged over deals. With V1 the variance of one deal's mean (step 2) and B its part
that dealing again draws anew, deals have the covariance V1 - B, and their mean has the variance

    V = V1 - (1 - 1/D) B = V1 (1 - (1 - 1/D) rho),   rho = B / V1: from V1 / D (nothing shared) to V1

The spread of the deals' means estimates B, but on D - 1 degrees of freedom: alone it would be worthless for D = 2. rho
is between 0 and 1, and is taken to be anything in between beforehand; F = MS_deal / MS_unit divided by rho has an F
distribution. That gives the mean of 1 - (1 - 1/D) rho given the data, and its variance, which Satterthwaite's degrees
of freedom take in. Where the jackknife overstates V1 (see below), what is too much looks like what deals share, and
the intervals of five deals are wider than need be.

With one unit nothing is known about other models: the interval then covers test examples alone, and differences
have none. The jackknife of a variance wants three units; with two there is no interval. It errs on the wide
side where first-order terms vanish, as in the difference of two nearly equal biases.
`python -m jaxreg.coverage` checks that 95 % means 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy import stats


class Between(NamedTuple):
    """What the units' part of error^2 is made of: left max(mean_square - interaction, 0); [measure] each."""

    mean_square: np.ndarray  # MS_unit / (U n)
    interaction: np.ndarray  # MS_interaction / (U n)
    freedom: int  # of MS_unit, in all deals together
    examples: int  # n
    left: np.ndarray  # what the deals together have left of one deal's
    doubt: np.ndarray  # the variance of that


class Estimate(NamedTuple):
    """A number of each measure with its standard error and degrees of freedom; [measure] each."""

    value: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    from_units: np.ndarray  # share of error^2 that more units would reduce; the rest, more examples
    units: int  # of a deal
    deals: int
    between: Between | None  # None where units are not independent of each other

    def interval(self, index: int = 0, level: float = 0.95) -> tuple[float, float]:
        return interval(self.value[index], self.error[index], self.freedom[index], level)


class TwoWay:
    """Running sums of pseudo-values, from which any series, or combination of series, gets its error.

    Series are what is compared with each other: cells, whose differences are paired, since they share units
    and examples and what they share cancels. Only sums and products of series are kept, so examples may come
    in blocks.
    """

    def __init__(self, series: int, measures: int, units: int, deals: Sequence[slice] = ()) -> None:
        self.units = units
        self.deals = tuple(deals) or (slice(0, units),)  # the units of each
        self.examples = 0
        self.sums = np.zeros((measures, series))  # of the estimates over examples
        self.rows = np.zeros((measures, series, units))  # of the pseudo-values over examples
        self.squares = np.zeros((measures, series, series))  # products of estimates, summed over examples
        # Products of means over the units of a deal, summed over examples.
        self.columns = np.zeros((len(self.deals), measures, series, series))
        self.entries = np.zeros((measures, series, series))  # products of pseudo-values, summed over all

    def add(self, estimate: np.ndarray, pseudo: np.ndarray) -> None:
        """Add a block: `estimate` [series, measure, example], `pseudo` [series, measure, unit, example]."""
        self.examples += estimate.shape[-1]
        with np.errstate(invalid="ignore"):  # infinite losses: their sums are inf or nan, and are shown as such
            self.sums += estimate.sum(-1).T
            by_measure = estimate.swapaxes(0, 1)
            self.squares += by_measure @ by_measure.swapaxes(1, 2)
            self.rows += pseudo.sum(-1).swapaxes(0, 1)
            for deal, units in enumerate(self.deals):
                mean = pseudo[:, :, units].mean(2).swapaxes(0, 1)
                self.columns[deal] += mean @ mean.swapaxes(1, 2)
            flat = pseudo.swapaxes(0, 1).reshape(*by_measure.shape[:2], -1)
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
            own = np.diagonal(products, axis1=-2, axis2=-1)
            return own + own[..., reference, None] - 2 * products[..., reference, :]

        with np.errstate(invalid="ignore", divide="ignore"):
            return self._solve(
                self.sums[measure] - self.sums[measure, reference],
                self.rows[measure] - self.rows[measure, reference],
                apart(self.squares[measure]),
                apart(self.columns[:, measure]),
                apart(self.entries[measure]),
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
                np.stack([(columns[gram] * square).sum((1, 2)) for columns in self.columns]),
                (self.entries[gram] * square).sum((1, 2)),
            )

    def _solve(
        self, total: np.ndarray, rows: np.ndarray, squares: np.ndarray, columns: np.ndarray, entries: np.ndarray
    ) -> Estimate:
        units, examples, deals = self.units, self.examples, len(self.deals)
        value = total / examples
        from_examples = np.maximum(squares - examples * value**2, 0.0) / (examples - 1) / examples
        doubt = from_examples**2 / (examples - 1)
        from_units, ms_unit, ms_rest, spread = np.zeros((4, *value.shape))
        left = np.ones_like(value)
        sizes = [own.stop - own.start for own in self.deals]
        freedom = units - deals
        size = float(deals / sum(Fraction(1, own) for own in sizes))
        if freedom > 0:
            means = rows / examples
            grand = np.stack([means[:, own].mean(-1) for own in self.deals])
            by_unit, rest = np.zeros_like(value), entries
            for own, count, centre, column in zip(self.deals, sizes, grand, columns, strict=True):
                within = examples * np.square(means[:, own] - centre[:, None]).sum(-1)
                by_example = count * (column - examples * centre**2)
                rest = rest - count * examples * centre**2 - within - by_example
                by_unit = by_unit + within
            ms_unit = by_unit / freedom / (size * examples)
            ms_rest = np.maximum(rest, 0.0) / (freedom * (examples - 1)) / (size * examples)
            from_units = np.maximum(ms_unit - ms_rest, 0.0)
            # The doubt in the difference is that in ms_unit. It fades where the difference is small against
            # ms_unit, so that nothing jumps where it reaches 0 (the 4 keeps coverage: see jaxreg.coverage).
            unsure = ms_unit * np.minimum(ms_unit, 4 * from_units) / freedom
            if deals > 1:
                left, spread = remaining(grand.var(0, ddof=1) / ms_unit, deals, freedom)
                unsure = left**2 * unsure + from_units**2 * spread / 2
            doubt += unsure
            from_units = left * from_units
        elif deals > 1:  # one split a deal: nothing is independent of anything
            from_units = np.full_like(value, np.nan)
        # Of what is the same everywhere, sums of squares leave rounding: as an error it would have 0.001 degrees of
        # freedom or so, and an interval of 10^137.
        size_of = np.maximum(np.square(value), np.abs(entries) / (units * examples))
        rounding = from_examples + from_units <= 16 * np.finfo(np.float64).eps * size_of / examples
        from_examples, from_units = (np.where(rounding, 0.0, x) for x in (from_examples, from_units))
        square = from_examples + from_units
        between = Between(ms_unit, ms_rest, freedom, examples, left, spread)
        return Estimate(value, np.sqrt(square), square**2 / doubt, from_units / square, round(size), deals, between)


def remaining(ratio: np.ndarray, deals: int, freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """What several deals leave of the variance of one deal's mean, and the variance of this estimate.

    Args:
        ratio: mean square of the deals over that of the units in them.
        deals: D.
        freedom: of the mean square of the units.

    Returns:
        Mean and variance of 1 - (1 - 1/D) rho, given that ratio / rho has an F distribution and that rho was uniform.
    """
    rho = (np.arange(100) + 0.5) / 100
    # Deals may agree to the last digit where answers are counted: log F has no value at 0.
    chance = stats.f.logpdf(np.maximum(ratio, 1e-9)[..., None] / rho, deals - 1, freedom) - np.log(rho)
    with np.errstate(invalid="ignore"):
        weight = np.exp(chance - chance.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    left = 1 - (1 - 1 / deals) * rho
    mean = weight @ left
    return mean, weight @ left**2 - mean**2


def interval(estimate: float, error: float, freedom: float, level: float = 0.95) -> tuple[float, float]:
    """The t interval; nan where the error is not known."""
    if not np.isfinite(error):
        return float("nan"), float("nan")
    if error == 0:
        return float(estimate), float(estimate)
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return estimate - half, estimate + half
