"""Calibration: whether a model that says 80 % is right in 80 % of such cases.

Confidence is the largest probability, right is whether it is on the label. Each model's test examples are cut
into 15 bins of equal numbers by confidence (equal widths would leave most of a good classifier's bins nearly
empty), and

    expected calibration error = sum over bins of |mean confidence - share right| * share of the examples

It can't be negative, so chance alone makes it positive: `chance` is what a perfectly calibrated model with the
same confidences would show. A cell's error, like its reliability diagram (mean confidence and share right in each
bin), is the mean over its models, each with bins of its own; one model is in memory at a time. Sources: Naeini et al.
2015, Nguyen and O'Connor 2015 (equal-mass bins).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxreg.statistics.intervals import Estimate, TwoWay

BINS = 15


def confidence(
    log_probabilities: Float[np.ndarray, "example class"], labels: Int[np.ndarray, " example"]
) -> tuple[Float[np.ndarray, " example"], Float[np.ndarray, " example"]]:
    """A model's largest probability for each example, and 1 where it is on the label."""
    sure = np.exp(log_probabilities.max(-1).astype(np.float64))
    return sure, (log_probabilities.argmax(-1) == labels).astype(np.float64)


def bins(sure: Float[np.ndarray, " example"], number: int = BINS) -> Int[np.ndarray, " example"]:
    """The bin of each example: equal numbers by rank, ties in the order they stand."""
    ranks = np.empty(len(sure), dtype=np.int64)
    ranks[np.argsort(sure, kind="stable")] = np.arange(len(sure))
    return ranks * number // len(sure)


def gaps(
    sure: Float[np.ndarray, " example"], right: Float[np.ndarray, " example"]
) -> tuple[Float[np.ndarray, " example"], float]:
    """Contributions of the examples, whose mean is one model's error, and what chance alone would give.

    An example contributes confidence - right, with the sign of its bin's sum. Chance: in a bin of m examples
    with confidences p the sum is near normal with variance sum p (1 - p), and E|normal| = sd sqrt(2 / pi).
    """
    where = bins(sure)
    signs = np.sign(np.bincount(where, sure - right, minlength=BINS))
    spread = np.sqrt(np.bincount(where, sure * (1 - sure), minlength=BINS))
    return signs[where] * (sure - right), float(np.sqrt(2 / np.pi) * spread.sum() / len(sure))


def diagram(sure: Float[np.ndarray, " example"], right: Float[np.ndarray, " example"]) -> Float[np.ndarray, "3 bin"]:
    """Mean confidence, share right and share of the examples of each of one model's bins."""
    where = bins(sure)
    size = np.bincount(where, minlength=BINS)
    sums = np.stack([np.bincount(where, values, minlength=BINS) for values in (sure, right)])
    return np.concatenate([sums / np.maximum(size, 1), size[None] / sure.size])


class Calibration(NamedTuple):
    """What the models of a cell show."""

    error: Estimate
    chance: float
    reliability: list[dict[str, int | float]]  # rows of `bin`, mean `confidence`, `accuracy` and `share`


def measure(
    units: Sequence[Iterable[tuple[np.ndarray, np.ndarray]]], examples: int, deals: Sequence[slice] = ()
) -> Calibration:
    """The calibration of a cell.

    Args:
        units: for each unit its models, of which each is the confidence and the rightness [example]; gone through once.
        examples: in the test set.
        deals: the units of each deal; without, they are of one.
    """
    layout, diagrams = TwoWay(1, 1, len(units), deals), np.zeros((3, BINS))
    chances: list[float] = []
    means = np.zeros((len(layout.deals), examples))
    deal_of = np.repeat(np.arange(len(means)), [own.stop - own.start for own in layout.deals])
    for unit, models in enumerate(units):
        before, own = len(chances), np.zeros(examples)
        for sure, right in models:
            gap, chance = gaps(sure, right)
            own += gap
            chances.append(chance)
            diagrams += diagram(sure, right)
        own /= len(chances) - before
        means[deal_of[unit]] += own
        layout.rows[0, 0, unit], layout.entries[0] = own.sum(), layout.entries[0] + own @ own
    means /= np.bincount(deal_of)[:, None]
    mean = means.mean(0)
    layout.examples, layout.sums[0], layout.squares[0] = examples, mean.sum(), mean @ mean
    layout.columns[:, 0, 0, 0] = np.square(means).sum(1)
    said, was, share = diagrams / len(chances)
    rows = [{"bin": i, "confidence": said[i], "accuracy": was[i], "share": share[i]} for i in range(BINS)]
    return Calibration(layout.one(0), float(np.mean(chances)), rows)
