"""What a design can detect, and what it would take to settle what it could not.

The paired difference of two cells, with S splits, R seeds on each and n test examples, has the squared error

    split^2 / S + seed^2 / (S R) + example^2 / n

and is tested as `jaxreg.statistics.moderation` does. The first two terms and `OWN` of the last, which is how examples
differ from model to model, are estimated, with S - 1 degrees of freedom and as many as the other cells of the sweep
add; the rest is as good as known. With one split the seeds are the units, R - 1
degrees of freedom, and nothing is said about other training sets. The level is 5 % divided by the number of cells
compared, which is what Holm's correction asks of its first. Detectable is the true difference that such a test finds in
80 % of runs.

Splits of D deals of the same data share examples: the first two terms are then multiplied by 1 - (1 - 1/D) rho
(`jaxreg.statistics.intervals`), with D (S - 1) degrees of freedom. rho is known from runs with several deals alone;
the doubt about it is left out, so that what is said of deals is a little hopeful. The forecast before a run is that of
one deal.

"Splits needed" means more training sets of the same size. A data set cut into more parts gives smaller ones, so
beyond what the data hold it means more data, and seeds are what one can add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from jaxreg.measures import CLASSES, Measures
from jaxreg.statistics.moderation import Mixture, posterior
from jaxreg.statistics.spreads import COLUMNS, PRIOR, PRIOR_FREEDOM, Spread, models_square, read

POWER, ALPHA = 0.8, 0.05
OWN = 0.8  # of the examples' part; 0.4 to 1 in the default sweep, more in cells near the reference
MOST = 1000  # splits, seeds or deals; needing more is shown as inf


def detectable(spread: Spread, splits: int, seeds: int, examples: int, tests: int = 1, deals: int = 1) -> float:
    """The true difference found in 80 % of runs; nan where there is no replication.

    Args:
        spread: of the paired difference.
        splits, seeds: of each cell.
        examples: in the test set.
        tests: cells compared with one reference.
        deals: of the same data into so many splits.
    """
    units = splits if splits > 1 else seeds
    if units < 2:
        return float("nan")
    sampled, models = spread.example**2 / examples, models_square(spread, splits, seeds, deals)
    if not models + sampled > 0:
        return float("nan")
    freedom = float(deals * (units - 1))
    if tests > 1:  # the others say no more of a cell than it does itself
        freedom += min(spread.prior, freedom)
    # What may be estimated of it, each as probable as the others.
    estimated = (models + OWN * sampled) * stats.chi2.ppf((np.arange(400) + 0.5) / 400, freedom) / freedom
    total = estimated + (1 - OWN) * sampled
    critical = np.sqrt(total) * np.interp(estimated / total, _SHARES, _critical(freedom, ALPHA / max(tests, 1)))

    def found(delta: float) -> float:  # the far tail adds nothing at 80 % power
        return float(stats.norm.cdf((delta - critical) / np.sqrt(models + sampled)).mean())

    return float(
        optimize.brentq(lambda delta: found(delta) - POWER, 0.0, critical.max() + 2 * np.sqrt(models + sampled))
    )


_SHARES = np.linspace(0, 1, 21)


@lru_cache(maxsize=1024)
def _critical(freedom: float, level: float) -> np.ndarray:
    """Differences over their standard error that are just told, where units have each of `_SHARES` of its square."""
    variances, weights = posterior(np.ones(1), np.array([freedom]))
    errors = np.sqrt(1 - _SHARES[:, None] + _SHARES[:, None] * variances)
    return np.array([Mixture(one, weights[0], 0.0).half_width(1 - level) for one in errors])


class Needed(NamedTuple):
    """What would find a difference in 80 % of runs: inf where not even `MOST` would do, nan where it is not known."""

    splits: float  # with as many seeds and deals
    seeds: float  # on as many splits
    deals: float = float("nan")  # of the same data into as many splits


def needed(
    difference: float, spread: Spread, splits: int, seeds: int, examples: int, tests: int = 1, deals: int = 1
) -> Needed:
    """What it takes to find a true `difference`, of one thing at a time; of deals where there are several already."""

    def least(enough: int, fits: Callable[[int], bool]) -> float:
        if not fits(MOST):
            return float("inf")
        low, high = enough, MOST
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle + 1, high)
        return float(low)

    def found(s: int, r: int, d: int) -> bool:
        return detectable(spread, s, r, examples, tests, d) <= abs(difference)

    unknown = float("nan")
    if not abs(difference) > 0 or not np.isfinite(spread.split + spread.example):
        return Needed(unknown, unknown)
    return Needed(
        least(2, lambda s: found(s, seeds, deals)) if splits > 1 else unknown,
        unknown if np.isnan(spread.seed) else least(max(seeds, 2), lambda r: found(splits, r, deals)),
        unknown if deals == 1 else least(deals, lambda d: found(splits, seeds, d)),
    )


def _more(found: Needed, splits: int, seeds: int, deals: int) -> Needed:
    """At least one more than there are: these did not tell it."""
    return Needed(*(np.maximum(one, there + 1) for one, there in zip(found, (splits, seeds, deals), strict=True)))


def outlook(
    splits: int,
    seeds: int,
    cells: int,
    like: str | Path | None = None,
    *,
    examples: int,
    measures: Measures = CLASSES,
) -> pd.DataFrame:
    """Before a sweep: what it will be able to detect, a row a measure. Of quantities only an earlier run can tell.

    Args:
        splits, seeds: of each cell.
        cells: of the sweep, one of which the others are compared with.
        like: the folder of a run whose spreads replace the prior.
        examples: in the test set.
        measures: of the kind of target.

    Returns:
        Columns `measure, detectable_difference, splits, seeds, comparisons, basis`.
    """
    spreads = PRIOR if like is None else read(like)
    basis = "prior: L1 and L2 on Fashion-MNIST" if like is None else f"spreads of {like}"
    tests = max(cells - 1, 1)
    return pd.DataFrame(
        {
            "measure": measure,
            "detectable_difference": detectable(spread, splits, seeds, examples, tests),
            "splits": splits,
            "seeds": seeds,
            "comparisons": tests,
            "basis": basis,
        }
        for measure, spread in spreads.items()
        if measure in (measures.first, measures.second)
    )


def review(
    spreads: Mapping[tuple[str, str], Spread],
    undecided: Mapping[tuple[str, str], tuple[float, Spread]],
    splits: int,
    seeds: int,
    examples: int,
    tests: int,
    deals: int = 1,
) -> pd.DataFrame:
    """After a sweep: what it could detect, and what the undecided comparisons would need.

    Args:
        spreads: by cell and measure, of the differences from the plain cell.
        undecided: the differences that could not be told from 0, and their spreads as the test took them.
        splits, seeds, examples, tests, deals: as in `detectable`.

    Returns:
        First a row a measure, `cell` empty, with the median spread over cells; then a row an undecided difference.
        `measure, cell, difference, splits_needed, seeds_needed, detectable_difference, splits, seeds,
        comparisons, sd_split, sd_seed, sd_example, prior_freedom`; of several deals also `deals, deals_needed`, and the
        shares of the squared error that more deals of the same data can lower (`share_deals`), that only more data can
        (`share_data`), and that only more test examples can (`share_examples`).
    """
    rows: list[dict[str, object]] = []

    def row(measure: str, cell: str | None, spread: Spread, difference: float) -> None:
        nothing = Needed(np.nan, np.nan)
        more = (
            _more(needed(difference, spread, splits, seeds, examples, tests, deals), splits, seeds, deals)
            if cell
            else nothing
        )
        found: dict[str, object] = {
            "measure": measure,
            "cell": cell,
            "difference": difference,
            "splits_needed": more.splits,
            "seeds_needed": more.seeds,
            "detectable_difference": detectable(spread, splits, seeds, examples, tests, deals),
            "splits": splits,
            "seeds": seeds,
            "comparisons": tests,
            **dict(zip(COLUMNS, spread, strict=False)),
            PRIOR_FREEDOM: spread.prior,
        }
        if deals > 1:
            models = models_square(spread, splits, seeds)
            parts = models * spread.anew / deals, models * (1 - spread.anew), spread.example**2 / examples
            shares = np.array(parts) / sum(parts)
            names = ("share_deals", "share_data", "share_examples")
            found |= {"deals": deals, "deals_needed": more.deals, **dict(zip(names, shares.tolist(), strict=True))}
        rows.append(found)

    priors: dict[str, float] = {}
    for measure in dict.fromkeys(measure for _, measure in spreads):
        table = np.array([spread for (_, name), spread in spreads.items() if name == measure])
        known = ~np.isnan(table).all(0)
        middle = [float(np.nanmedian(table[:, i])) if known[i] else float("nan") for i in range(table.shape[1])]
        priors[measure] = Spread(*middle).prior
        row(measure, None, Spread(*middle), float("nan"))
    for (cell, measure), (difference, own) in undecided.items():
        row(measure, cell, own._replace(prior=priors[measure]), difference)
    return pd.DataFrame(rows)
