"""How far units spread, learnt from all differences of a family together, and how sure each difference is then.

Five splits leave a difference four degrees of freedom, and most of the price of testing ten of them is not noise but
not knowing the noise. Spreads of similar cells are similar, so that each says something of the others (Smyth 2004,
limma). With s^2 the variance between the means of a difference's units (mean square of f degrees of freedom),

    s^2 ~ sigma^2 chi^2_f / f
    sigma^2 ~ d s0^2 / chi^2_d with probability 1 - `OUTLIERS`; otherwise it may be anything (log sigma^2 uniform)

limma estimates d and s0^2 from moments of log s^2, and has thousands of genes to do so. Ten cells do not tell d: here
d / (d + f), the weight of the prior, is uniform between 0 and 1, log s0^2 is uniform, and both are summed over. That
sigma^2 may be anything keeps one wild cell from ruining what is said of the others, and from being taken for one of
them (what limma's robust option is for, Phipson et al. 2016). Differences that have a cell in common are not
independent: with equal spreads their correlation is 1/2 and that of their mean squares `SHARED` = 1/4. Where each
shares a cell with k others, all together are worth 1 / (1 + k / 4) of as many independent ones, and the log-likelihood
is scaled by that.

Only what units add is moderated. The squared error of a mean over n test examples and U units (see
`jaxreg.statistics.intervals`, which has the meaning of each term) is

    V = var_examples / n  +  left (sigma^2 - MS_interaction / n) / U

(at least `LEAST` times its first term: where sigma^2 is drawn too low, that makes up for where it is drawn too high)
and the p-value is the mean over V, given all s^2, of P(|normal| sqrt(V) > |difference|); the interval holds every true
value that such a test would not reject. Without a family sigma^2 is f s^2 / chi^2_f: the test of Behrens (1929) and
Fisher (1935), and Student's t test where examples add nothing.
Satterthwaite's degrees of freedom are good at 5 % and far too many at the 0.5 % that ten cells need: where s^2 is small
by luck, they take the examples' part, with its many, for the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, special, stats

from jaxreg.statistics.intervals import Between, Estimate

OUTLIERS = 0.1
SHARED = 0.25
LEAST = 0.25
_STEP = 0.2  # of log sigma^2, at most
_WEIGHTS = (np.arange(10) + 0.5) / 10  # of the prior
_AGREE = 1e-6  # of the median s^2: units may agree to the last digit where answers are counted


class Mixture(NamedTuple):
    """What a difference minus its true value is: normal, with a standard error that is one of several."""

    errors: Float[np.ndarray, " node"]
    weights: Float[np.ndarray, " node"]
    prior: float  # degrees of freedom that the other differences add to those of the units

    def p_value(self, difference: float) -> float:
        """Two-sided, of "the true value is 0"."""
        return float(2 * self.weights @ special.ndtr(-abs(difference) / self.errors))

    def half_width(self, level: float = 0.95) -> float:
        """Half of the interval's width."""
        high = float(self.weights @ self.errors)
        while self.p_value(high) > 1 - level:
            high *= 2
        return float(optimize.brentq(lambda half: self.p_value(half) - (1 - level), 0.0, high, rtol=1e-10))


def moderate(found: Sequence[Estimate], index: int = 0, overlap: float = 0.0) -> list[Mixture | None]:
    """How sure each difference of a family is in one measure; None where its error is 0 or not known.

    Args:
        found: the differences.
        index: of the measure.
        overlap: with how many others, on average, a difference has a cell in common.
    """
    known = [i for i, one in enumerate(found) if np.isfinite(one.error[index]) and one.error[index] > 0]
    made: list[Mixture | None] = [None] * len(found)
    for i in known:
        if found[i].between is None:
            made[i] = _student(float(found[i].error[index]), float(found[i].freedom[index]))
    units = [(i, between) for i in known if (between := found[i].between) is not None]
    squares = np.array([float(between.mean_square[index]) * found[i].units for i, between in units])
    freedom = np.array([float(between.freedom) for _, between in units])
    variances, weights = posterior(squares, freedom, overlap)
    for (i, between), own, alone in zip(units, weights, freedom, strict=True):
        made[i] = _mixture(found[i], between, index, variances, own, alone)
    return made


def _student(error: float, freedom: float) -> Mixture:
    """Student's t: normal, with a variance of which as much is known as from `freedom` squares."""
    chances = (np.arange(2000) + 0.5) / 2000
    return Mixture(error * np.sqrt(freedom / stats.chi2.ppf(chances, freedom)), np.full(2000, 1 / 2000), 0.0)


def posterior(
    squares: Float[np.ndarray, " difference"], freedom: Float[np.ndarray, " difference"], overlap: float = 0.0
) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, "difference node"]]:
    """What sigma^2 may be, and how probable that is given all mean squares.

    Args:
        squares: s^2 of each difference, in the unit of its square.
        freedom: f of each.
        overlap: as in `moderate`.
    """
    if not squares.any():
        return np.zeros(1), np.ones((len(squares), 1))
    logs = np.log(np.maximum(squares, _AGREE * np.median(squares[squares > 0])))
    # Far enough for a p-value of 1e-6 from one degree of freedom.
    step = min(_STEP, np.sqrt(2 / freedom.max()))  # not beyond the standard deviation of log s^2
    grid = np.arange(logs.min() - 6, logs.max() + 6 + 24 / freedom.min(), step)
    likelihood = _density(logs[:, None] - grid, freedom[:, None])
    likelihood /= likelihood.max(1, keepdims=True)
    if len(squares) > 1:
        worth = freedom.max() * _WEIGHTS / (1 - _WEIGHTS)
        prior = _density(grid[::2, None] - grid, worth[:, None, None]).reshape(-1, len(grid))
        prior = (1 - OUTLIERS) * prior / prior.sum(1, keepdims=True) + OUTLIERS / len(grid)
        seen = np.log(likelihood @ prior.T)
        others = (seen.sum(0) - seen) / (1 + SHARED * overlap)
        chance = np.exp(others - others.max(1, keepdims=True))
        likelihood *= chance @ prior
    return np.exp(grid), likelihood / likelihood.sum(1, keepdims=True)


def _density(log_ratio: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Of the log of chi^2_f / f, up to a factor; as a likelihood of log sigma^2 it is that of f s^2 / chi^2_f."""
    with np.errstate(over="ignore"):
        return np.exp(freedom / 2 * (log_ratio - np.exp(log_ratio) + 1))


def _mixture(
    one: Estimate, between: Between, index: int, variances: np.ndarray, weights: np.ndarray, freedom: float
) -> Mixture:
    square = float(one.error[index]) ** 2
    examples = _three(square * (1 - float(one.from_units[index])), 2 / (between.examples - 1))
    left = np.clip(_three(between.left[index], between.doubt[index] / between.left[index] ** 2), 1 / one.deals, 1.0)
    units = variances / one.units - between.interaction[index]
    squares = np.maximum(examples[:, None, None] + np.multiply.outer(left, units), LEAST * examples[:, None, None])
    chance = np.multiply.outer(np.multiply.outer(_CHANCES, _CHANCES), weights)
    kept = chance > 1e-12
    errors = np.sqrt(np.maximum(squares[kept], 1e-20 * squares[kept].max()))  # 0 divides nothing
    return Mixture(errors, chance[kept], _prior(variances, weights, freedom))


_CHANCES = np.array([1, 4, 1]) / 6


def _three(mean: float, spread: float) -> np.ndarray:
    """Three numbers with this mean and relative variance, if their chances are `_CHANCES` (Gauss and Hermite)."""
    return mean * (1 + np.sqrt(3 * spread) * np.array([-1.0, 0.0, 1.0]))


def _prior(variances: np.ndarray, weights: np.ndarray, freedom: float) -> float:
    """Degrees of freedom by which log sigma^2 is known better than from f, when trigamma(f / 2) is its variance."""
    if len(variances) == 1:
        return 0.0
    logs = np.log(variances)
    spread = weights @ np.square(logs - weights @ logs)
    if spread >= special.polygamma(1, freedom / 2):
        return 0.0
    return float(optimize.brentq(lambda f: special.polygamma(1, f / 2) - spread, freedom, 1e6) - freedom)
