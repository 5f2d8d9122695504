"""What makes one doubt predictions of others: classes in another order, probabilities that were cut from below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

LESS, MORE = 1e-15, 1e-7  # where people cut probabilities: scikit-learn once, and Keras
MANY = 10  # equal ones of the least probability, however odd


def another_order(
    cells: Sequence[str],
    answers: Int[np.ndarray, "model example"],
    labels: Int[np.ndarray, " example"],
    classes: Sequence[str],
) -> dict[str, Any] | None:
    """Whether what models answer would be right far more often if each class were another one.

    The best one-to-one assignment of answers to targets is Kuhn's. It is believed where it makes more than half of
    what is wrong right, and is above the best one for shuffled targets, which is luck alone, by three standard errors
    of a share.

    Args:
        cells: [model], of each model.
        answers: the class of each example by each model.
        labels: the class that it has.
        classes: their names.

    Returns:
        As run.json has it: `cells` that are such; `classes`, and of the first of these cells what each seems to be
        (`seem`), the share of right answers (`right`), and what it would be then (`would_be`). None: there are none.
    """
    shuffled = np.random.default_rng(0).permutation(labels)
    found: dict[str, Any] | None = None
    for cell, rows in _by_cell(cells):
        right, best, order = _assigned(answers[rows], labels, len(classes))
        _, luck, _ = _assigned(answers[rows], shuffled, len(classes))
        if best - right > (1 - right) / 2 and best > luck + 3 * 0.5 / len(labels) ** 0.5:
            if found is None:
                seem = [classes[i] for i in order]
                found = {"cells": [], "classes": [*classes], "seem": seem, "right": right, "would_be": best}
            found["cells"].append(cell)
    return found


def _assigned(answers: np.ndarray, labels: np.ndarray, classes: int) -> tuple[float, float, np.ndarray]:
    """The share of right answers, that under the best assignment, and this: the target of each answer."""
    counts = np.zeros((classes, classes))
    for own in answers:
        np.add.at(counts, (own, labels), 1)
    rows, targets = linear_sum_assignment(counts, maximize=True)
    return float(np.trace(counts) / answers.size), float(counts[rows, targets].sum() / answers.size), targets


def cut(
    cells: Sequence[str],
    log_probabilities: Float[np.ndarray, "model example class"],
    labels: Int[np.ndarray, " example"],
) -> dict[str, Any] | None:
    """Whether probabilities were cut from below, so that their cross-entropy hangs on where.

    Returns:
        As run.json has it: `at` the least probability, the `number` of such `among` so many, how many are of the right
        class (`right`), and the cross-entropy of each cell (`loss`) if it had been `other` in its place. None: it looks
        like no cut, as the least one is neither a power of ten nor there `MANY` times.
    """
    least = min(float(own.min()) for own in log_probabilities)
    number = sum(int((own == least).sum()) for own in log_probabilities)
    power = least / np.log(10)
    if least > np.log(1e-4) or (number < MANY and abs(power - round(power)) > 1e-5):
        return None
    other = LESS if np.exp(least) > 1e-11 else MORE
    right, loss = 0, {}
    for cell, rows in _by_cell(cells):
        own = log_probabilities[rows][:, np.arange(len(labels)), labels].astype(float)
        right += int((own == least).sum())
        loss[cell] = -float(np.maximum(np.where(own == least, -np.inf, own), np.log(other)).mean())
    at = float(f"{np.exp(least):.3g}")
    return {
        "at": at, "number": number, "among": log_probabilities.size, "right": right, "other": other, "loss": loss,
    }  # fmt: skip


def _by_cell(cells: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    rows: Mapping[str, list[int]] = {cell: [] for cell in cells}
    for row, cell in enumerate(cells):
        rows[cell].append(row)
    yield from rows.items()
