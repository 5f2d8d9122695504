"""Bias and variance of a set of models that were trained on different data and from different seeds.

NumPy and pandas alone, for predictions from any library:

    from jaxreg.statistics.decomposition import decompose
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
    scaled_cross_entropy   as cross_entropy, each model at its own temperature, which is fitted on one half of the
                   examples and scores the other (`jaxreg.statistics.temperature`)

The Brier terms are unbiased: this is the analysis of variance of a nested design by unweighted means (every
split counts alike, however many of its seeds there are; Searle, Casella and McCulloch, Variance Components,
1992; with equal R_s it is the usual one). Those of cross-entropy are correct to second order in the spread:
the law of total variance holds exactly for the uncorrected terms, and they get Brier's corrections.
V_split can be negative by chance and is left so. One split gives V_seed alone; what can't be estimated is
nan.

Sources: Yang et al., ICML 2020 (squared loss); Heskes 1998, Pfau 2013, Gupta et al. 2022, Adlam et al. 2022
(cross-entropy); Domingos, ICML 2000 (0-1); Neal et al. 2018 (law of total variance over data and seeds).
The intervals are explained in `jaxreg.statistics.intervals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from jaxreg.errors import UserError
from jaxreg.measures import CLASSES, PARTS, QUANTITIES, VOTES, Measures
from jaxreg.statistics import squared, votes
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.losses import LOSSES, MEASURES, sensitivity, terms
from jaxreg.statistics.sums import Design, Kind, Sums, design, sums_of
from jaxreg.statistics.temperature import temperatures

__all__ = ["LOSSES", "MEASURES", "PARTS", "SHARES", "decompose"]

SHARES = {"variance_share": ("variance", "error"), "seed_share": ("variance_seed", "variance")}
_BLOCK_BYTES = 32 * 2**20


def blocks(examples: int, models: int, classes: int) -> Iterator[slice]:
    """Cut the examples so that a block of all models in float64 stays near 32 MB."""
    size = max(1, min(examples, _BLOCK_BYTES // (8 * models * classes)))
    for start in range(0, examples, size):
        yield slice(start, min(start + size, examples))


def some(examples: int, models: int, classes: int, most: int = 2000) -> Iterator[slice]:
    """`blocks` of every so many of the examples, `most` of them or fewer: enough for a derivative of a mean."""
    step = -(-examples // most)
    for block in blocks(-(-examples // step), 16 * models, classes):  # sums are several arrays of that size
        yield slice(block.start * step, block.stop * step, step)


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
    kind: Kind | Literal["quantities", "votes"] = "probabilities",
    level: float = 0.95,
    deal: Sequence[object] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Error, bias and variance of the models of one cell, with intervals: a row for each loss.

    Args:
        outputs: [model, example, class], probabilities or their logarithms (better: no rounding to 0); an
            array, or a memory map, read in blocks of examples. Of quantities [model, example], or with several
            [model, example, quantity]. Of votes [model, example], the classes that are named, as numbers or texts.
        labels: [example], whole numbers, or of votes texts too; of quantities what they should be, [example] or
            [example, quantity].
        split: the training set of each model, by any name.
        seed: the seed of each model.
        kind: which of these `outputs` holds: "probabilities", "log_probabilities", "votes" or "quantities".
        level: of the intervals; they cover new training sets, new seeds and new test examples together (with
            one split: new seeds and new test examples).
        deal: of each model, where the same data were dealt into disjoint splits more than once. Splits of one deal
            must share no example.

    Returns:
        Columns `loss`; each of error, bias, variance, variance_split, variance_seed, variance_share (of the
        error), seed_share (of the variance) with `_low` and `_high` (nan where the design can't tell or the
        loss has no such thing); `models`, `splits`, `seeds`, and `deals` where there are several, with the splits of
        one. Votes have the 0-1 loss alone. Brier and 0-1 have no unit, cross-entropy is in nats. Of quantities the
        losses are squared_error and absolute_error, means over the quantities in their units
        (`jaxreg.statistics.squared`), and `r2` of the first has its interval too.

    Raises:
        UserError: outputs are not what `kind` says, do not fit the labels, or two have one split and seed.
    """
    outputs, labels = np.asanyarray(outputs), np.asarray(labels)
    where = design(split, seed, deal)
    if len(where.order) != len(outputs):
        raise UserError(f"{len(outputs)} models, but {len(where.order)} pairs of split and seed")
    if kind == "quantities":
        return _of_quantities(outputs, labels, where, level)
    if kind == "votes":
        return _of_votes(outputs, labels, where, level)
    check(outputs, labels, kind)
    layout = TwoWay(len(MEASURES), 1, where.units, where.deals)
    found = temperatures((as_logs(model, kind) for model in outputs), labels)

    def read(block: slice) -> tuple[Sums, np.ndarray]:
        return sums_of(outputs[:, block], kind, where, labels[block], found.of(block)), labels[block]

    size = (outputs.shape[1], len(outputs), outputs.shape[2])
    sensitive = sensitivity(map(read, some(*size)), where)
    for block in blocks(*size):
        estimate, pseudo = terms(*read(block), where, sensitive)
        layout.add(estimate[:, None], pseudo[:, None])
    return table(layout, where, level)


def _of_quantities(outputs: np.ndarray, targets: np.ndarray, where: Design, level: float) -> pd.DataFrame:
    if targets.ndim == 1:
        outputs, targets = outputs[..., None] if outputs.ndim == 2 else outputs, targets[:, None]
    if outputs.ndim != 3 or outputs.shape[1:] != targets.shape or 0 in outputs.shape:
        raise UserError(
            f"predictions of shape {outputs.shape} with targets of shape {targets.shape}: expected "
            "[model, example] and [example], or [model, example, quantity] and [example, quantity]"
        )
    layout = TwoWay(len(QUANTITIES.terms), 1, where.units, where.deals)
    means = targets.mean(0, dtype=np.float64, keepdims=True)
    for block in blocks(outputs.shape[1], len(outputs), outputs.shape[2]):
        values, wanted = (np.asarray(x, np.float64) for x in (outputs[:, block], targets[block]))
        estimate, pseudo = squared.terms(values, wanted, means, where)
        layout.add(estimate[:, None], pseudo[:, None])
    return table(layout, where, level, QUANTITIES)


def _of_votes(answers: np.ndarray, labels: np.ndarray, where: Design, level: float) -> pd.DataFrame:
    numbers, texts = (sum(x.dtype.kind in of for x in (answers, labels)) == 2 for of in ("iub", "U"))
    if answers.ndim != 2 or labels.shape != answers.shape[1:] or not answers.size or not (numbers or texts):
        raise UserError(
            f"votes: {answers.dtype} of shape {answers.shape} with labels: {labels.dtype} of shape {labels.shape}; "
            "expected whole numbers, or texts, both times: [model, example] and [example]"
        )
    known, codes = np.unique(np.vstack([answers, labels]), return_inverse=True)
    codes = codes.reshape(-1, len(labels))  # the last row are the labels
    layout = TwoWay(len(VOTES.terms), 1, where.units, where.deals)
    for block in blocks(len(labels), len(answers), len(known)):
        estimate, pseudo = votes.terms(codes[:-1, block], codes[-1, block], len(known), where)
        layout.add(estimate[:, None], pseudo[:, None])
    return table(layout, where, level, VOTES)


def as_logs(outputs: np.ndarray, kind: Kind) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return outputs if kind == "log_probabilities" else np.log(outputs)


def table(
    layout: TwoWay, where: Design, level: float = 0.95, measures: Measures = CLASSES, place: int = 0
) -> pd.DataFrame:
    """The rows of `decompose` from a layout whose series are the terms of the measures, at a place of its measures."""
    rows = []
    for loss in measures.losses:
        row: dict[str, object] = {"loss": loss}
        series = {part: measures.index[loss, part] for part in PARTS}
        found = {part: layout.one(index) for part, index in series.items()}
        if loss != "zero_one":  # a net variance is no share of anything
            for share, (part, whole) in SHARES.items():
                found[share] = layout.ratio(series[part], series[whole])
        for part, estimate in found.items():
            low, high = estimate.interval(place, level)
            row |= {part: estimate.value[place], f"{part}_low": low, f"{part}_high": high}
        if measures.baseline is not None:
            row |= _r2(layout, measures, loss, level, place)
        row |= {"models": len(where.order), "splits": where.splits, "seeds": where.seeds}
        rows.append(row | ({"deals": len(where.deals)} if len(where.deals) > 1 else {}))
    return pd.DataFrame(rows)


def _r2(layout: TwoWay, measures: Measures, loss: str, level: float, place: int) -> dict[str, float]:
    """R2, with the doubt in both its errors; nan where all targets are the same, and of a loss that has none."""
    baseline = measures.index[measures.baseline] if measures.baseline and measures.baseline[0] == loss else None
    if baseline is None or not layout.one(baseline).value[place] > 0:
        return dict.fromkeys(("r2", "r2_low", "r2_high"), float("nan"))
    share = layout.ratio(measures.index[loss, "error"], baseline)
    low, high = share.interval(place, level)
    return {"r2": 1 - share.value[place], "r2_low": 1 - high, "r2_high": 1 - low}
