"""The three losses of a decomposition, per test example: estimates and what leaving a unit out does to them.

A unit is a split or, where there is only one split, a seed. Where the same data were dealt into disjoint splits more
than once, the splits of one deal are estimated, and left out, by themselves, and the deals averaged. Everything that a
loss needs is a sum over the models of a unit (`Sums`) and then over units, so that leaving one out is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxreg.errors import UserError

LOSSES = ("brier", "cross_entropy", "zero_one")
PARTS = ("error", "bias", "variance", "variance_split", "variance_seed")
MEASURES = tuple((loss, part) for loss in LOSSES for part in PARTS)
INDEX = {measure: index for index, measure in enumerate(MEASURES)}

Kind = Literal["probabilities", "log_probabilities"]


class Design(NamedTuple):
    """Which models belong to which unit; a unit is a split or, where there is only one split, a seed."""

    order: Int[np.ndarray, " model"]  # the models sorted by unit
    starts: Int[np.ndarray, " unit"]  # where each unit begins in that order
    models: Int[np.ndarray, " unit"]  # how many models it has
    splits: int  # the most that any deal has
    seeds: int  # the most seeds that any split has
    deals: tuple[slice, ...]  # the units of each deal

    @property
    def units(self) -> int:
        return len(self.models)


def design(
    split: Sequence[object] | np.ndarray,
    seed: Sequence[object] | np.ndarray,
    deal: Sequence[object] | np.ndarray | None = None,
) -> Design:
    """The design behind the (split, seed) of each model; UserError where a pair occurs twice.

    `deal`, without which there is one, says which splits are disjoint: those of the same deal.
    """
    deal = np.zeros(len(split)) if deal is None else deal
    triples = list(zip(map(str, deal), map(str, split), map(str, seed), strict=True))
    if len(set(triples)) < len(triples):
        twice = next(triple for triple in triples if triples.count(triple) > 1)
        raise UserError(f"two models have split {twice[1]} and seed {twice[2]}: each pair may occur once in a cell")
    deals, splits, seeds = (_codes([triple[i] for triple in triples]) for i in range(3))
    dealt = deals * (splits.max() + 1) + splits
    units = dealt if len(set(dealt)) > 1 else seeds
    order = np.argsort(units, kind="stable")
    _, starts, models = np.unique(units[order], return_index=True, return_counts=True)
    sizes = np.unique(deals[order][starts], return_counts=True)[1]
    ends = np.cumsum(sizes)
    count = int(sizes.max()) if len(set(dealt)) > 1 else 1
    most = int(np.unique(dealt, return_counts=True)[1].max())
    return Design(order, starts, models, count, most, tuple(map(slice, (ends - sizes).tolist(), ends.tolist())))


def _codes(names: Sequence[str]) -> np.ndarray:
    return pd.factorize(np.array(names, dtype=object), sort=True)[0]


class Sums(NamedTuple):
    """All that the three losses need of the models, per unit and example, in float64."""

    models: np.ndarray  # [unit] how many models were summed
    p: np.ndarray  # [unit, example, class] sum of p
    squared: np.ndarray  # [unit, example] sum of |p|^2
    log_p: np.ndarray  # [unit, example, class] sum of log p
    votes: np.ndarray  # [unit, example, class] models whose most probable class this is


def sums_of(outputs: np.ndarray, kind: Kind, where: Design) -> Sums:
    """Sums over the models of each unit, of a block of examples [model, example, class]."""
    outputs = np.asarray(outputs[where.order], dtype=np.float64)
    if kind == "probabilities":
        p = outputs
        with np.errstate(divide="ignore"):
            log_p = np.log(p)  # a probability of 0 gives -inf, and an infinite loss where it was the label
    else:
        p, log_p = np.exp(outputs), outputs
    votes = np.zeros(p.shape, dtype=np.int32)
    np.put_along_axis(votes, p.argmax(-1)[..., None], 1, axis=-1)  # argmax takes the lowest of equals
    add = (lambda x: x) if where.units == len(p) else (lambda x: np.add.reduceat(x, where.starts, axis=0))
    return Sums(where.models, add(p), add(np.square(p).sum(-1)), add(log_p), add(votes))


def lse(x: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis; -inf where all are."""
    top = x.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(-1)) + top[..., 0]


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
    sums: Sums, labels: Int[np.ndarray, " example"], where: Design
) -> tuple[Float[np.ndarray, "measure example"], Float[np.ndarray, "measure unit example"]]:
    """Each of `MEASURES` per example, and its pseudo-values from leaving one unit out.

    With one split the units are seeds: what spreads between them is the variance from seeds, and bias,
    variance and the variance from splits are nan. Of several deals it is the mean; a pseudo-value speaks of its own.
    """
    if len(where.deals) > 1:
        alone = [_terms(Sums(*(x[units] for x in sums)), labels, where.splits) for units in where.deals]
        return np.mean([x for x, _ in alone], axis=0), np.concatenate([x for _, x in alone], axis=1)
    return _terms(sums, labels, where.splits)


def _terms(sums: Sums, labels: np.ndarray, splits: int) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        both = [loss(sums, labels) for loss in (_brier, _cross_entropy, _zero_one)]
    estimate, pseudo = (np.concatenate(x) for x in zip(*both, strict=True))
    if splits == 1:
        for x in (estimate, pseudo):
            for loss in LOSSES:
                if loss != "zero_one":
                    x[INDEX[loss, "variance_seed"]] = x[INDEX[loss, "variance"]]
                for part in ("bias", "variance", "variance_split"):
                    x[INDEX[loss, part]] = np.nan
    return estimate, pseudo
