"""The losses of a decomposition, per test example: estimates and what leaving a unit out does to them.

Brier score, cross-entropy and 0-1 loss of the models as they are, and the cross-entropy of each at the temperature that
`jaxreg.statistics.temperature` finds for it.

A unit is a split or, where there is only one split, a seed. The splits of one deal of the data are estimated, and left
out, by themselves, and the deals averaged.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from jaxreg.measures import CLASSES, PARTS
from jaxreg.statistics.sums import Design, Sums, lse
from jaxreg.statistics.units import Found, Units, corrected, evaluated, of_one_split, over_deals, parts_of, units_of

LOSSES, MEASURES, INDEX = CLASSES.losses, CLASSES.terms, CLASSES.index
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


def _brier(sums: Sums, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    models = sums.models[:, None]
    centre = sums.p / models[..., None]
    norm = np.square(centre).sum(-1)
    at_label = np.take_along_axis(centre, labels[None, :, None], -1)[..., 0]
    error = sums.squared / models - 2 * at_label + 1
    within = sums.squared - models * norm

    def parts(s: Units) -> np.ndarray:
        count = s.size[:, None]
        naive = s.norm / count - np.square(s.centre / count[..., None]).sum(-1)
        return parts_of(corrected(naive, s), s)

    return evaluated(units_of(sums.models, error, within, centre, norm), parts)


def _cross_entropy(sums: Sums, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    models = sums.models[:, None]
    mean = sums.log_p / models[..., None]
    error = -np.take_along_axis(mean, labels[None, :, None], -1)[..., 0]
    norm = lse(mean)
    within = np.where(models > 1, -norm * models, 0.0)
    centre = mean - np.where(np.isfinite(norm), norm, 0.0)[..., None]

    def parts(s: Units) -> np.ndarray:
        return parts_of(corrected(-lse(s.centre / s.size[:, None, None]), s), s)

    return evaluated(units_of(sums.models, error, within, centre, np.zeros_like(error)), parts)


def zero_one(
    models: Int[np.ndarray, " unit"], votes: Int[np.ndarray, "unit example class"], labels: Int[np.ndarray, " example"]
) -> Found:
    """The 0-1 loss from how many models of each unit name each class."""
    # Integer weights that let every unit count alike: exact ties stay exact.
    weights = np.lcm.reduce(models) // models
    right = np.take_along_axis(votes, labels[None, :, None], -1)[..., 0]
    error = 1 - right / models[:, None]

    def parts(s: Units) -> np.ndarray:
        error = s.error / s.size[:, None]
        bias = (s.centre.argmax(-1) != labels).astype(np.float64)
        nothing = np.full_like(error, np.nan)
        return np.stack([error, bias, error - bias, nothing, nothing])

    zero = np.zeros_like(error)
    return evaluated(units_of(models, error, zero, votes * weights[:, None, None], zero), parts)


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
        found = over_deals(where.deals, lambda units: _terms(Sums(*(x[units] for x in sums)), labels, where.splits))
    else:
        found = _terms(sums, labels, where.splits)
    estimate, pseudo = found
    if sensitive is not None:
        influence = sums.influence / sums.models[:, None]
        pseudo[_SCALED] += sensitive[:, None, None] * influence
        mean = np.mean([influence[units].mean(0) for units in where.deals], axis=0)
        estimate[_SCALED] += sensitive[:, None] * mean
    return estimate, pseudo


def _terms(sums: Sums, labels: np.ndarray, splits: int) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        found = [
            _brier(sums, labels),
            _cross_entropy(sums, labels),
            zero_one(sums.models, sums.votes, labels),
            _cross_entropy(sums._replace(log_p=sums.scaled_log_p), labels),
        ]
    estimate, pseudo = (np.concatenate(x) for x in zip(*found, strict=True))
    return of_one_split((estimate, pseudo), CLASSES) if splits == 1 else (estimate, pseudo)
