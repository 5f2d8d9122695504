"""Calibration: whether a model that says 80 % is right in 80 % of such cases.

Confidence is the largest probability, right is whether it is on the label. Each model's test examples are cut
into 15 bins of equal numbers by confidence (equal widths would leave most of a good classifier's bins nearly
empty), and

    expected calibration error = sum over bins of |mean confidence - share right| * share of the examples

It can't be negative, so chance alone makes it positive: `chance` is what a perfectly calibrated model with the
same confidences would show. Sources: Naeini et al. 2015, Nguyen and O'Connor 2015 (equal-mass bins).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

BINS = 15


def confidence(
    log_probabilities: Float[np.ndarray, "member example class"], labels: Int[np.ndarray, " example"]
) -> tuple[Float[np.ndarray, "member example"], Float[np.ndarray, "member example"]]:
    """Each member's largest probability, and 1 where it is on the label."""
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


def reliability(
    sure: Float[np.ndarray, "member example"], right: Float[np.ndarray, "member example"]
) -> list[dict[str, int | float]]:
    """Rows of `bin`, mean `confidence`, `accuracy` and `share`, over all members of a cell together."""
    where = bins(sure.ravel())
    size = np.maximum(np.bincount(where, minlength=BINS), 1)
    said = np.bincount(where, sure.ravel(), minlength=BINS) / size
    was = np.bincount(where, right.ravel(), minlength=BINS) / size
    return [{"bin": i, "confidence": said[i], "accuracy": was[i], "share": size[i] / sure.size} for i in range(BINS)]
