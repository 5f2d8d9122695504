"""Bias and variance of a set of models that were trained on different data and from different seeds.

NumPy and pandas alone, for predictions from any library:

    from jaxreg.decomposition import decompose
    table = decompose(probabilities, labels, split=[0, 0, 1, 1, 2, 2], seed=[0, 1, 0, 1, 0, 1])

`probabilities` is [model, example, class], `labels` [example]; `split` and `seed` say which training set and
which random start each model had. Seeds are nested: seed 0 of split 0 and seed 0 of split 1 must be
independent. Everything is computed for each test example and then averaged over the examples. One label per
example can't tell label noise from bias, so "bias" always contains it.

With p_sr the output of seed r (of R_s) on split s (of S), p_s = mean_r p_sr, p = mean_s p_s, e_y one-hot,
lse = log sum exp over the classes:

    brier          error   = mean_s mean_r |p_sr - e_y|^2
                   V_seed  = sum_sr |p_sr - p_s|^2 / sum_s (R_s - 1)
                   V_split = sum_s |p_s - p|^2 / (S - 1)  -  V_seed mean_s 1/R_s
    cross_entropy  error   = mean_s mean_r -log p_sr(y)
                   l_s     = mean_r log p_sr,         log c_s = l_s - lse(l_s), the geometric mean of split s
                   l       = mean_s log c_s,          log c   = l - lse(l)
                   V_seed  = sum_s R_s (-lse(l_s)) / sum_s (R_s - 1)      as -lse(l_s) = mean_r KL(c_s | p_sr)
                   V_split = -lse(l) S/(S - 1)  -  V_seed mean_s 1/R_s    as -lse(l)   = mean_s KL(c | c_s)
    both           variance = V_split + V_seed,  bias = error - variance.  With one seed a split, variance is
                   the first term of V_split, and its parts can't be told apart
    zero_one       m = majority vote, ties to the lowest class;  bias = [m != y];  variance = error - bias,
                   the net variance: P(prediction != m) where m is right, -P(prediction = y) where it is wrong.
                   It can be negative, and bias falls as models are added: compare at equal numbers only

The Brier terms are unbiased: this is the analysis of variance of a nested design by unweighted means (every
split counts alike, however many of its seeds there are; Searle, Casella and McCulloch, Variance Components,
1992; with equal R_s it is the usual one). Those of cross-entropy are correct to second order in the spread:
the law of total variance holds exactly for the uncorrected terms, and they get Brier's corrections.
V_split can be negative by chance and is left so. One split gives V_seed alone; what can't be estimated is
nan.

Sources: Yang et al., ICML 2020 (squared loss); Heskes 1998, Pfau 2013, Gupta et al. 2022, Adlam et al. 2022
(cross-entropy); Domingos, ICML 2000 (0-1); Neal et al. 2018 (law of total variance over data and seeds).
The intervals are explained in `jaxreg.intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxreg.errors import UserError
from jaxreg.intervals import TwoWay

LOSSES = ("brier", "cross_entropy", "zero_one")
PARTS = ("error", "bias", "variance", "variance_split", "variance_seed")
SHARES = {"variance_share": ("variance", "error"), "seed_share": ("variance_seed", "variance")}
MEASURES = tuple((loss, part) for loss in LOSSES for part in PARTS)
_BLOCK_BYTES = 32 * 2**20

Kind = Literal["probabilities", "log_probabilities"]


class Design(NamedTuple):
    """Which models belong to which unit; a unit is a split or, where there is only one split, a seed."""

    order: Int[np.ndarray, " model"]  # the models sorted by unit
    starts: Int[np.ndarray, " unit"]  # where each unit begins in that order
    models: Int[np.ndarray, " unit"]  # how many models it has
    splits: int
    seeds: int  # the most seeds that any split has

    @property
    def units(self) -> int:
        return len(self.models)


def design(split: Sequence[object] | np.ndarray, seed: Sequence[object] | np.ndarray) -> Design:
    """The design behind the (split, seed) of each model; UserError where a pair occurs twice."""
    pairs = list(zip(map(str, split), map(str, seed), strict=True))
    if len(set(pairs)) < len(pairs):
        twice = next(pair for pair in pairs if pairs.count(pair) > 1)
        raise UserError(f"two models have split {twice[0]} and seed {twice[1]}: each pair may occur once in a cell")
    splits = pd.factorize(np.array([s for s, _ in pairs], dtype=object), sort=True)[0]
    count = int(splits.max()) + 1
    units = splits if count > 1 else pd.factorize(np.array([r for _, r in pairs], dtype=object), sort=True)[0]
    order = np.argsort(units, kind="stable")
    _, starts, models = np.unique(units[order], return_index=True, return_counts=True)
    return Design(order, starts, models, count, int(np.bincount(splits).max()))


class Sums(NamedTuple):
    """All that the three losses need of the models, per unit and example, in float64."""

    models: np.ndarray  # [unit] how many models were summed
    p: np.ndarray  # [unit, example, class] sum of p
    squared: np.ndarray  # [unit, example] sum of |p|^2
    log_p: np.ndarray  # [unit, example, class] sum of log p
    votes: np.ndarray  # [unit, example, class] models whose most probable class this is


def _sums(outputs: np.ndarray, kind: Kind, where: Design) -> Sums:
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


def _lse(x: np.ndarray) -> np.ndarray:
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
    lse = _lse(mean)
    within = np.where(models > 1, -lse * models, 0.0)
    centre = mean - np.where(np.isfinite(lse), lse, 0.0)[..., None]

    def parts(s: _Units) -> np.ndarray:
        return _parts(_corrected(-_lse(s.centre / s.size[:, None, None]), s), s)

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
    sums: Sums, labels: Int[np.ndarray, " example"], splits: int
) -> tuple[Float[np.ndarray, "measure example"], Float[np.ndarray, "measure unit example"]]:
    """Each of `MEASURES` per example, and its pseudo-values from leaving one unit out.

    With one split the units are seeds: what spreads between them is the variance from seeds, and bias,
    variance and the variance from splits are nan.
    """
    with np.errstate(invalid="ignore"):
        both = [loss(sums, labels) for loss in (_brier, _cross_entropy, _zero_one)]
    estimate, pseudo = (np.concatenate(x) for x in zip(*both, strict=True))
    if splits == 1:
        for x in (estimate, pseudo):
            for first in (0, 5):
                x[first + 4] = x[first + 2]
            for first in (0, 5, 10):
                x[first + 1 : first + 4] = np.nan
    return estimate, pseudo


def blocks(examples: int, models: int, classes: int) -> Iterator[slice]:
    """Cut the examples so that a block of all models in float64 stays near 32 MB."""
    size = max(1, min(examples, _BLOCK_BYTES // (8 * models * classes)))
    for start in range(0, examples, size):
        yield slice(start, min(start + size, examples))


def block_terms(outputs: np.ndarray, labels: np.ndarray, where: Design, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """`terms` of a block of examples [model, example, class]."""
    return terms(_sums(outputs, kind, where), labels, where.splits)


def check(outputs: np.ndarray, labels: np.ndarray, kind: Kind) -> None:
    """UserError unless `outputs` [model, example, class] are (log) probabilities and `labels` classes."""
    if outputs.ndim != 3 or labels.shape != outputs.shape[1:2] or 0 in outputs.shape:
        raise UserError(
            f"predictions of shape {outputs.shape} with labels of shape {labels.shape}: expected "
            "[model, example, class] and [example]"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= outputs.shape[2]:
        raise UserError(f"labels must be whole numbers from 0 to {outputs.shape[2] - 1}, one per example")
    for block in blocks(outputs.shape[1], outputs.shape[0], outputs.shape[2]):
        part = np.asarray(outputs[:, block], dtype=np.float64)
        sums = (np.exp(part) if kind == "log_probabilities" else part).sum(-1)
        negative = kind == "probabilities" and bool((part < 0).any())
        if negative or not (np.abs(sums - 1) < 1e-3).all():  # nan fails too
            model = int(np.argmax((~(np.abs(sums - 1) < 1e-3)).any(-1)))
            raise UserError(
                f"model {model}: its {kind.replace('_', ' ')} over the classes do not make 1. Expected "
                "softmax outputs (or their logarithms with kind='log_probabilities'); leave out diverged ones"
            )


def decompose(
    outputs: np.ndarray,
    labels: np.ndarray,
    split: Sequence[object] | np.ndarray,
    seed: Sequence[object] | np.ndarray,
    kind: Kind = "probabilities",
    level: float = 0.95,
) -> pd.DataFrame:
    """Error, bias and variance of the models of one cell, with intervals: a row for each loss.

    Args:
        outputs: [model, example, class], probabilities or their logarithms (better: no rounding to 0); an
            array, or a memory map, read in blocks of examples.
        labels: [example], whole numbers.
        split: the training set of each model, by any name.
        seed: the seed of each model.
        kind: which of the two `outputs` holds.
        level: of the intervals; they cover new training sets, new seeds and new test examples together (with
            one split: new seeds and new test examples).

    Returns:
        Columns `loss`; each of error, bias, variance, variance_split, variance_seed, variance_share (of the
        error), seed_share (of the variance) with `_low` and `_high` (nan where the design can't tell or the
        loss has no such thing); `models`, `splits`, `seeds`. Brier and 0-1 have no unit,
        cross-entropy is in nats.
    """
    outputs, labels = np.asanyarray(outputs), np.asarray(labels)
    check(outputs, labels, kind)
    where = design(split, seed)
    if len(where.order) != len(outputs):
        raise UserError(f"{len(outputs)} models, but {len(where.order)} pairs of split and seed")
    layout = TwoWay(len(MEASURES), 1, where.units)
    for block in blocks(outputs.shape[1], len(outputs), outputs.shape[2]):
        estimate, pseudo = block_terms(outputs[:, block], labels[block], where, kind)
        layout.add(estimate[:, None], pseudo[:, None])
    return table(layout, where, level)


def table(layout: TwoWay, where: Design, level: float = 0.95, cell: int = 0) -> pd.DataFrame:
    """The rows of `decompose` from a layout whose series are `MEASURES` and whose measures are cells."""
    rows = []
    for start, loss in enumerate(LOSSES):
        row: dict[str, object] = {"loss": loss}
        series = {part: start * len(PARTS) + index for index, part in enumerate(PARTS)}
        found = {part: layout.one(index) for part, index in series.items()}
        if loss != "zero_one":  # a net variance is no share of anything
            for share, (part, whole) in SHARES.items():
                found[share] = layout.ratio(series[part], series[whole])
        for part, estimate in found.items():
            low, high = estimate.interval(cell, level)
            row |= {part: estimate.value[cell], f"{part}_low": low, f"{part}_high": high}
        rows.append(row | {"models": len(where.order), "splits": where.splits, "seeds": where.seeds})
    return pd.DataFrame(rows)


class Accumulator:
    """The same table without keeping predictions: give it one model after another, in any order.

    Holds three [example, class] arrays for each split (about 2.4 MB for 10,000 examples of 10 classes); as
    long as there is only one split, as much for each of its seeds.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = np.asarray(labels)
        self._pairs: list[tuple[str, str]] = []
        self._sums: dict[tuple[str, ...], Sums] = {}

    def add(self, outputs: np.ndarray, split: object, seed: object, kind: Kind = "probabilities") -> None:
        """Add a model's outputs [example, class]."""
        outputs = np.asarray(outputs)[None]
        check(outputs, self.labels, kind)
        pair = (str(split), str(seed))
        design(*zip(*self._pairs, pair, strict=True))  # refuses a pair that is there already
        self._pairs.append(pair)
        self._put(pair, _sums(outputs, kind, design([split], [seed])))
        if len({s for s, _ in self._pairs}) > 1 and any(len(unit) == 2 for unit in self._sums):
            apart, self._sums = self._sums, {}
            for unit, sums in apart.items():
                self._put(unit[:1], sums)

    def _put(self, unit: tuple[str, ...], sums: Sums) -> None:
        if unit in self._sums:
            sums = Sums(*(mine + new for mine, new in zip(self._sums[unit], sums, strict=True)))
        self._sums[unit] = sums

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """What `decompose` returns for the models so far."""
        where = design(*zip(*self._pairs, strict=True))
        together = Sums(*(np.concatenate(x) for x in zip(*self._sums.values(), strict=True)))
        layout = TwoWay(len(MEASURES), 1, where.units)
        for block in blocks(len(self.labels), where.units, together.p.shape[2]):
            part = Sums(together.models, *(x[:, block] for x in together[1:]))
            estimate, pseudo = terms(part, self.labels[block], where.splits)
            layout.add(estimate[:, None], pseudo[:, None])
        return table(layout, where, level)
