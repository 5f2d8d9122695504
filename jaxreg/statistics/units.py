"""Parts of a loss from units, and what leaving a unit out does to them.

A unit is a split or, where there is only one split, a seed. Everything that a loss needs is a sum over the models of a
unit and then over units, so that leaving one out is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxreg.measures import Measures

Found = tuple[np.ndarray, np.ndarray]  # estimate [measure, example], pseudo-values [measure, unit, example]


class Units(NamedTuple):
    """Per-unit quantities whose sums over a set of units are all that a loss needs of that set."""

    size: np.ndarray  # [unit] 1
    inverse: np.ndarray  # [unit] 1 / R_s
    freedom: np.ndarray  # [unit] R_s - 1
    error: np.ndarray  # [unit, example] mean loss of the unit's models
    within: np.ndarray  # [unit, example] sum over its models of the divergence from the unit's centre
    centre: np.ndarray  # [unit, example, class] what is averaged to give the centre of the set
    norm: np.ndarray  # [unit, example] |centre|^2, for the squared loss alone

    def sets(self) -> tuple[Units, Units]:
        """The sums over all units [1, ...] and over all but each one [unit, ...]."""
        totals = [x.sum(0, keepdims=True) for x in self]
        return Units(*totals), Units(*(_without(total, x) for total, x in zip(totals, self, strict=True)))


def _without(total: np.ndarray, own: np.ndarray) -> np.ndarray:
    if np.isfinite(total).all():
        return total - own
    # -inf less -inf says nothing: sum the others again.
    return np.stack([np.delete(own, unit, axis=0).sum(0) for unit in range(len(own))])


def parts_of(between: np.ndarray, sums: Units) -> np.ndarray:
    """[part, set, example] from the corrected spread between units [set, example]."""
    column = (slice(None), None)
    error = sums.error / sums.size[column]
    freedom = np.where(sums.freedom > 0, sums.freedom, np.nan)[column]
    seed = sums.within / freedom
    split = between - seed * (sums.inverse / sums.size)[column]
    variance = np.where(np.isnan(seed), between, split + seed)
    return np.stack([error, error - variance, variance, split, seed])


def corrected(naive: np.ndarray, sums: Units) -> np.ndarray:
    """naive * S/(S-1): naive [set, example] is the mean divergence of S units from their own centre."""
    count = sums.size[:, None]
    return naive * count / np.where(count > 1, count - 1, np.nan)


def units_of(models: np.ndarray, error: np.ndarray, within: np.ndarray, centre: np.ndarray, norm: np.ndarray) -> Units:
    """Units of so many models each."""
    models = models.astype(np.float64)
    return Units(np.ones_like(models), 1 / models, models - 1, error, within, centre, norm)


def evaluated(units: Units, parts: Callable[[Units], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Estimate [part, example] and jackknife pseudo-values [part, unit, example] of a loss."""
    everything, without = units.sets()
    estimate = parts(everything)
    if len(units.size) == 1:
        estimate[1:] = np.nan
        return estimate[:, 0], estimate
    number = len(units.size)
    return estimate[:, 0], number * estimate - (number - 1) * parts(without)


def of_one_split(found: Found, measures: Measures) -> Found:
    """Where the units are seeds: what spreads between them is the variance from seeds, and nothing more is known."""
    for x in found:
        for loss in measures.losses:
            if loss != "zero_one":
                x[measures.index[loss, "variance_seed"]] = x[measures.index[loss, "variance"]]
            for part in ("bias", "variance", "variance_split"):
                x[measures.index[loss, part]] = np.nan
    return found


def over_deals(deals: Sequence[slice], terms: Callable[[slice], Found]) -> Found:
    """The mean of what each deal says by itself; a pseudo-value speaks of its own."""
    alone = [terms(units) for units in deals]
    return np.mean([x for x, _ in alone], axis=0), np.concatenate([x for _, x in alone], axis=1)
