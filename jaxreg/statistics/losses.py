"""The losses of a decomposition, per test example: estimates and what leaving a unit out does to them.

Brier score, cross-entropy and 0-1 loss of the models as they are, and the cross-entropy of each at the temperature that
`jaxreg.statistics.temperature` finds for it.

A unit is a split or, where there is only one split, a seed. The splits of one deal of the data are estimated, and left
out, by themselves, and the deals averaged. Everything that a loss needs is a sum over the models of a unit
(`jaxreg.statistics.sums`) and then over units, so that leaving one out is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxreg.statistics.sums import Design, Sums, lse

LOSSES = ("brier", "cross_entropy", "zero_one", "scaled_cross_entropy")
PARTS = ("error", "bias", "variance", "variance_split", "variance_seed")
MEASURES = tuple((loss, part) for loss in LOSSES for part in PARTS)
INDEX = {measure: index for index, measure in enumerate(MEASURES)}
_SCALED = slice(INDEX["scaled_cross_entropy", PARTS[0]], None)
_STEP = 0.01  # of the log of an inverse temperature, for derivatives


def sensitivity(blocks: Iterable[tuple[Sums, np.ndarray]], where: Design) -> Float[np.ndarray, " part"]:
    """Derivatives of the mean terms of the scaled cross-entropy, in the log of all inverse temperatures together.

    `blocks` are the sums and labels of examples, each of as many models.
    """
    found, examples = np.zeros(len(PARTS)), 0
    for sums, labels in blocks:
        ends = (sums._replace(scaled_log_p=sums.scaled_log_p + way * _STEP * sums.sway) for way in (-1, 1))
        low, high = (terms(end, labels, where)[0][_SCALED] for end in ends)
        with np.errstate(invalid="ignore"):
            found += (high - low).sum(-1) / (2 * _STEP)
        examples += len(labels)
    return found / examples


class _Units(NamedTuple):
    """Per-unit quantities whose sums over a set of units are all that a loss needs of that set."""

    size: np.ndarray  # [unit] 1
    inverse: np.ndarray  # [unit] 1 / R_s
    freedom: np.ndarray  # [unit] R_s - 1
    error: np.ndarray  # [unit, example] mean loss of the unit's models
    within: np.ndarray  # [unit, example] sum over its models of the divergence from the unit's centre
    centre: np.ndarray  # [unit, example, class] what is averaged to give the centre of the set
    norm: np.ndarray  # [unit, example] |centre|^2, for the squared loss alone

    def sets(self) -> tuple[_Units, _Units]:
        """The sums over all units [1, ...] and over all but each one [unit, ...]."""
        totals = [x.sum(0, keepdims=True) for x in self]
        return _Units(*totals), _Units(*(_without(total, x) for total, x in zip(totals, self, strict=True)))


def _without(total: np.ndarray, own: np.ndarray) -> np.ndarray:
    if np.isfinite(total).all():
        return total - own
    # -inf less -inf says nothing: sum the others again.
    return np.stack([np.delete(own, unit, axis=0).sum(0) for unit in range(len(own))])


def _parts(between: np.ndarray, sums: _Units) -> np.ndarray:
    """[part, set, example] from the corrected spread between units [set, example]."""
    column = (slice(None), None)
    error = sums.error / sums.size[column]
    freedom = np.where(sums.freedom > 0, sums.freedom, np.nan)[column]
    seed = sums.within / freedom
    split = between - seed * (sums.inverse / sums.size)[column]
    variance = np.where(np.isnan(seed), between, split + seed)
    return np.stack([error, error - variance, variance, split, seed])


def _corrected(naive: np.ndarray, sums: _Units) -> np.ndarray:
    """naive * S/(S-1): naive [set, example] is the mean divergence of S units from their own centre."""
    count = sums.size[:, None]
    return naive * count / np.where(count > 1, count - 1, np.nan)


def _brier(sums: Sums, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    models = sums.models[:, None]
    centre = sums.p / models[..., None]
    norm = np.square(centre).sum(-1)
    at_label = np.take_along_axis(centre, labels[None, :, None], -1)[..., 0]
    error = sums.squared / models - 2 * at_label + 1
    within = sums.squared - models * norm

    def parts(s: _Units) -> np.ndarray:
        count = s.size[:, None]
        naive = s.norm / count - np.square(s.centre / count[..., None]).sum(-1)
        return _parts(_corrected(naive, s), s)

    return _evaluate(_units(sums, error, within, centre, norm), parts)


def _cross_entropy(sums: Sums, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    models = sums.models[:, None]
    mean = sums.log_p / models[..., None]
    error = -np.take_along_axis(mean, labels[None, :, None], -1)[..., 0]
    norm = lse(mean)
    within = np.where(models > 1, -norm * models, 0.0)
    centre = mean - np.where(np.isfinite(norm), norm, 0.0)[..., None]

    def parts(s: _Units) -> np.ndarray:
        return _parts(_corrected(-lse(s.centre / s.size[:, None, None]), s), s)

    return _evaluate(_units(sums, error, within, centre, np.zeros_like(error)), parts)


def _zero_one(sums: Sums, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Integer weights that let every unit count alike: exact ties stay exact.
    weights = np.lcm.reduce(sums.models) // sums.models
    right = np.take_along_axis(sums.votes, labels[None, :, None], -1)[..., 0]
    error = 1 - right / sums.models[:, None]

    def parts(s: _Units) -> np.ndarray:
        error = s.error / s.size[:, None]
        bias = (s.centre.argmax(-1) != labels).astype(np.float64)
        nothing = np.full_like(error, np.nan)
        return np.stack([error, bias, error - bias, nothing, nothing])

    zero = np.zeros_like(error)
    return _evaluate(_units(sums, error, zero, sums.votes * weights[:, None, None], zero), parts)


def _units(sums: Sums, error: np.ndarray, within: np.ndarray, centre: np.ndarray, norm: np.ndarray) -> _Units:
    models = sums.models.astype(np.float64)
    return _Units(np.ones_like(models), 1 / models, models - 1, error, within, centre, norm)


def _evaluate(units: _Units, parts: Callable[[_Units], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Estimate [part, example] and jackknife pseudo-values [part, unit, example] of a loss."""
    everything, without = units.sets()
    estimate = parts(everything)
    if len(units.size) == 1:
        estimate[1:] = np.nan
        return estimate[:, 0], estimate
    number = len(units.size)
    return estimate[:, 0], number * estimate - (number - 1) * parts(without)


def terms(
    sums: Sums,
    labels: Int[np.ndarray, " example"],
    where: Design,
    sensitive: Float[np.ndarray, " part"] | None = None,
) -> tuple[Float[np.ndarray, "measure example"], Float[np.ndarray, "measure unit example"]]:
    """Each of `MEASURES` per example, and its pseudo-values from leaving one unit out.

    With one split the units are seeds: what spreads between them is the variance from seeds, and bias,
    variance and the variance from splits are nan. Of several deals it is the mean; a pseudo-value speaks of its own.
    With the `sensitivity` of the models' terms these have in them what examples do to temperatures.
    """
    if len(where.deals) > 1:
        alone = [_terms(Sums(*(x[units] for x in sums)), labels, where.splits) for units in where.deals]
        estimate, pseudo = np.mean([x for x, _ in alone], axis=0), np.concatenate([x for _, x in alone], axis=1)
    else:
        estimate, pseudo = _terms(sums, labels, where.splits)
    if sensitive is not None:
        influence = sums.influence / sums.models[:, None]
        pseudo[_SCALED] += sensitive[:, None, None] * influence
        mean = np.mean([influence[units].mean(0) for units in where.deals], axis=0)
        estimate[_SCALED] += sensitive[:, None] * mean
    return estimate, pseudo


def _terms(sums: Sums, labels: np.ndarray, splits: int) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        found = [loss(sums, labels) for loss in (_brier, _cross_entropy, _zero_one)]
        found.append(_cross_entropy(sums._replace(log_p=sums.scaled_log_p), labels))
    estimate, pseudo = (np.concatenate(x) for x in zip(*found, strict=True))
    if splits == 1:
        for x in (estimate, pseudo):
            for loss in LOSSES:
                if loss != "zero_one":
                    x[INDEX[loss, "variance_seed"]] = x[INDEX[loss, "variance"]]
                for part in ("bias", "variance", "variance_split"):
                    x[INDEX[loss, part]] = np.nan
    return estimate, pseudo
