"""Cross-validation: every example scored by models that have not seen it, and how far such an error may be off.

The data are dealt into K folds, and K models are trained, each without one fold. Together they give every example one
prediction by a model that has not seen it: they are an *out-of-fold model*. Another deal, or another seed, is another.

Models of different folds share most of their examples, so that the spread of their errors says too little of how far
the mean is off, and no estimate from these models alone is unbiased (Bengio and Grandvalet 2004). Nested
cross-validation (Bates, Hastie and Tibshirani, JASA 2023) trains a model without each pair of folds too. For a fold k

    A_k   the mean loss on all other folds, each example scored by the model without its fold and without k
    O_k   the mean loss on fold k of the model without k
    b_k   the variance of the losses on fold k, divided by its number of examples

(A_k - O_k)^2 is off by what A_k is off and by what fold k is, b_k, so that mean_k (A_k - O_k)^2 - b_k estimates the
mean squared error of a cross-validation of (K - 1)/K of the examples, and (K - 1)/K of that the one of all. It is
averaged over deals, of losses that are averaged over seeds. Like its authors we take it to be no less than the variance
of the mean as if examples were independent, s^2 / n, and no more than K times that. For a difference of cells all of it
is of the differences of their losses: the squares are a quadratic form in the cells, which is what is kept.

The interval is of Student's t with K deals - 1 degrees of freedom. `python -m jaxreg.coverage` checks that it covers:
the error of models of such a size, and the one of a model trained on these very examples, which is what the estimate of
Bates et al. is of. Bias and variance need models whose training sets are independent: folds can't tell them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxreg.measures import Measures
from jaxreg.statistics.intervals import Estimate, TwoWay
from jaxreg.statistics.predictions import CellMembers, Outputs
from jaxreg.statistics.sums import Design


class Folds(NamedTuple):
    """How the examples were dealt."""

    numbers: Int[np.ndarray, "deal example"]  # the fold of each
    number: int  # K
    deal: Int[np.ndarray, " model"]  # of each out-of-fold model

    def nested(self, cell: CellMembers) -> CellMembers:
        """For each out-of-fold model of a cell, and each fold, the one whose other folds have not seen this one."""
        first = len(self.deal)
        rows = tuple(first + row * self.number + fold for row in cell.rows for fold in range(self.number))
        return CellMembers(
            cell.name, rows, tuple(("0", f"{i:09}") for i in range(len(rows))), (0,) * len(rows), cell.diverged
        )


class OutOfFold:
    """Predictions of models each of which takes every example's from another one: of the one that has not seen it."""

    def __init__(self, outputs: Outputs, source: Int[np.ndarray, "model example"]) -> None:
        self._outputs, self._source = outputs, source
        self.shape = (len(source), *outputs.shape[1:])

    def __getitem__(self, key: tuple[list[int], slice], /) -> np.ndarray:
        rows, block = key
        wanted = self._source[rows, block]
        there, place = np.unique(wanted, return_inverse=True)
        found = self._outputs[there.tolist(), block]
        return np.asarray(found[place.reshape(wanted.shape), np.arange(wanted.shape[1])])


class CrossValidated(NamedTuple):
    """Out-of-fold models in the place of members."""

    members: pd.DataFrame  # a row for each, as `jaxreg.statistics.analysis.analyse` wants them
    outputs: OutOfFold  # theirs, and behind them those of `Folds.nested`
    folds: Folds


def cross_validated(
    members: pd.DataFrame,
    left_out: Sequence[tuple[int, ...]],
    outputs: Outputs,
    numbers: Int[np.ndarray, "deal example"],
) -> CrossValidated:
    """The out-of-fold models that members make.

    Args:
        members: a row for each, in the order of `outputs`, with the columns of members.csv.
        left_out: the folds that each has not seen: one of them, or two.
        outputs: what they predict of all examples.
        numbers: the fold of each example, by deal.
    """
    count, deals = int(numbers.max()) + 1, members["deal"] if "deal" in members else pd.Series(0, members.index)
    seeds = int(members["seed"].max()) + 1
    own, nested, rows = [], [], []
    for _, some in members.groupby(["cell", deals.astype(int), "seed"], sort=False):
        first = some.iloc[0]
        cell, deal, seed = str(first["cell"]), int(deals[some.index[0]]), int(first["seed"])
        place = np.full((count, count), -1)
        for row in some.index:
            place[left_out[row][0], left_out[row][-1]] = place[left_out[row][-1], left_out[row][0]] = row
        assert (place >= 0).all(), f"{cell} lacks a model without some pair of folds"
        fold = numbers[deal]
        own.append(place[fold, fold])
        nested += [place[fold, without] for without in range(count)]
        single = some[[len(left_out[row]) == 1 for row in some.index]]
        name = {"member": f"{cell}/deal{deal}/seed{seed}", "split": 0, "seed": deal * seeds + seed}
        scores = single.select_dtypes("number").mean().drop(list(name), errors="ignore")
        rows.append({**single.iloc[0], **scores, **name, "diverged_at": some["diverged_at"].min()})
    table = pd.DataFrame(rows).drop(columns="deal", errors="ignore")
    deal_of = table["seed"].to_numpy(dtype=np.int64) // seeds
    return CrossValidated(table, OutOfFold(outputs, np.stack([*own, *nested])), Folds(numbers, count, deal_of))


def unknown_from_folds(measures: Measures) -> list[int]:
    """The places of terms that take models whose training sets are independent."""
    return [place for place, term in enumerate(measures.terms) if term[1] != "error" and term != measures.baseline]


class NestedLosses:
    """Running sums over examples of the losses of `Folds.nested`, of several series and measures."""

    def __init__(self, series: int, measures: int, folds: Folds) -> None:
        self._folds = folds
        shape = (len(folds.numbers), folds.number)
        self._own, self._others = np.zeros((2, measures, series, *shape))
        self._products = np.zeros((measures, *shape, series, series))
        self._sizes = np.zeros(shape)  # of the folds

    def add(
        self,
        block: slice,
        losses: Float[np.ndarray, "series measure model fold example"],
        deals: Int[np.ndarray, " model"],
    ) -> None:
        """Add a block of examples: the losses of each out-of-fold model's nested ones, and the deal of each."""
        for deal in np.unique(deals):
            mean = losses[:, :, deals == deal].mean(2).swapaxes(0, 1)
            for fold in range(self._folds.number):
                inside = self._folds.numbers[deal, block] == fold
                own = mean[:, :, fold, inside]
                self._sizes[deal, fold] += inside.sum()
                self._own[:, :, deal, fold] += own.sum(-1)
                self._others[:, :, deal, fold] += mean[:, :, fold, ~inside].sum(-1)
                self._products[:, deal, fold] += own @ own.swapaxes(1, 2)

    def mean_square(self) -> Float[np.ndarray, "measure series series"]:
        """mean_k (A_k - O_k)^2 - b_k over deals and folds, times (K - 1) / K, as a quadratic form in the series.

        A fold of one example has no b_k: the mean is over the others, and nan, no interval, where there is none.
        """
        sizes = self._sizes
        own, others = self._own / sizes, self._others / (sizes.sum(1, keepdims=True) - sizes)
        apart = np.moveaxis(others - own, 1, -1)  # measure deal fold series
        centre = np.moveaxis(own, 1, -1)
        within = self._products / sizes[..., None, None] - _square(centre)
        tells = sizes > 1
        if not tells.any():
            return np.full_like(self._products[:, 0, 0], np.nan)
        found = _square(apart)[:, tells] - within[:, tells] / (sizes[tells] - 1)[:, None, None]
        return (1 - 1 / self._folds.number) * found.mean(1)


def _square(x: np.ndarray) -> np.ndarray:
    return x[..., :, None] * x[..., None, :]


class CrossValidation(TwoWay):
    """Running sums of the losses of out-of-fold models, whose errors are those of nested cross-validation.

    `mean_square` is to be set when all is added.
    """

    def __init__(self, series: int, measures: int, units: int, folds: Folds) -> None:
        super().__init__(series, measures, units)
        self._folds = folds
        self.mean_square = np.zeros((measures, series, series))

    def difference(self, series: int, reference: int) -> Estimate:
        """One series minus another, paired."""
        return self.combined([series, reference], np.array([[1.0, -1.0]]))

    def combined(self, series: Sequence[int], weights: np.ndarray) -> Estimate:
        """The sum of `series` times `weights` [measure or 1, series]."""
        which = np.array(series)
        square = self.mean_square[:, which[:, None], which[None, :]] * (weights[:, :, None] * weights[:, None, :])
        return self._nested(super().combined(series, weights), square.sum((1, 2)))

    def differences(self, reference: int, measure: int = 0) -> Estimate:
        """Every series minus one of them, paired, in one measure: an entry a series."""
        square = self.mean_square[measure]
        own = np.diagonal(square)
        return self._nested(super().differences(reference, measure), own + own[reference] - 2 * square[reference])

    def _nested(self, found: Estimate, square: np.ndarray) -> Estimate:
        with np.errstate(invalid="ignore"):
            independent = np.where(found.error == 0, 0.0, found.error**2 * (1 - found.from_units))
            error = np.sqrt(np.clip(square, independent, self._folds.number * independent))
            share = np.where(error > 0, 1 - independent / error**2, 0.0)
        freedom = np.full_like(error, self._folds.number * len(self._folds.numbers) - 1)
        return found._replace(error=error, freedom=freedom, from_units=share, between=None)


def running(series: int, measures: int, where: Design, folds: Folds | None) -> TwoWay:
    """Empty sums for models of a design; `folds` where they are out-of-fold models."""
    if folds is None:
        return TwoWay(series, measures, where.units, where.deals)
    return CrossValidation(series, measures, where.units, folds)
