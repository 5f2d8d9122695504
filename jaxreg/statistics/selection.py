"""Which cell to use, and what it scores where it was not chosen.

Two rules, both on the mean test cross-entropy:

- `best`: the lowest mean.
- `one_standard_error`: of the cells whose mean is above the best by no more than one standard error of that
  paired difference, the most regularised (Breiman et al. 1984 took the error of the best mean itself; pairing
  makes the sharper yardstick). Which of two values of an axis regularises more, and which axis is looked at first, is
  in the table of axes. Noise in the training set and input scaling are not degrees of regularisation: noise is a
  condition under which one chooses, and a scaling is only ever `best`.

A score quoted from the data that chose it flatters. The honest score chooses with one class-balanced half of the
test examples and all units but one (a unit is a split, or a seed where there is one split), and quotes the
other half on the unit left out: averaged over both ways round, every unit, and several ways to halve. `flattery`
is that score minus the one that the choice was based on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from jaxreg.axes import AXES, CONDITIONS, ORDERED, present
from jaxreg.statistics.intervals import TwoWay

HALVINGS = 5
RULES = ("best", "one_standard_error")


class Scores(NamedTuple):
    """The losses of the cells that may be chosen, all with the same units."""

    cells: tuple[str, ...]
    cross_entropy: Float[np.ndarray, "cell unit example"]
    wrong: Float[np.ndarray, "cell unit example"]  # share of a unit's models that are


def strengths(settings: Mapping[Any, Any]) -> tuple[float, ...]:
    """The key by which `one_standard_error` orders cells."""
    return tuple(axis.strength(settings[axis.name]) if axis.name in settings else 0.0 for axis in ORDERED)


def layout(scores: Float[np.ndarray, "cell unit example"]) -> TwoWay:
    """What the choice is based on."""
    found = TwoWay(scores.shape[0], 1, scores.shape[1])
    found.add(scores.mean(1, dtype=np.float64)[:, None], scores[:, None].astype(np.float64))
    return found


def choose(losses: TwoWay, among: Sequence[int], order: Sequence[tuple[float, ...]]) -> tuple[int, int, list[int]]:
    """Best, the most regularised within one standard error of it, and all that are."""
    best = min(among, key=lambda cell: losses.sums[0, cell])
    tied = [cell for cell in among if cell == best or _close(losses, cell, best)]
    return best, max(tied, key=lambda cell: order[cell]), tied


def _close(losses: TwoWay, cell: int, best: int) -> bool:
    gap = losses.difference(cell, best)
    return bool(gap.value[0] <= gap.error[0])  # false where one is nan


def halves(labels: Int[np.ndarray, " example"], times: int = HALVINGS) -> Iterator[Bool[np.ndarray, " example"]]:
    """Ways to cut the examples in two halves with equal numbers of each class, always the same ones."""
    random = np.random.default_rng(0)
    for _ in range(times):
        half = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            rows = random.permutation(np.flatnonzero(labels == label))
            half[rows[: len(rows) // 2]] = True
        yield half


class _Fold(NamedTuple):
    """What one half of the examples says without one unit, and what the other half says on that unit."""

    seen: TwoWay
    cross_entropy: Float[np.ndarray, " cell"]
    wrong: Float[np.ndarray, " cell"]


def folds(scores: Scores, labels: Int[np.ndarray, " example"]) -> list[_Fold]:
    """Every way to choose with one part of the data and quote another, as the module describes."""
    units = scores.cross_entropy.shape[1]
    found = []
    for half in halves(labels):
        for chosen in (half, ~half):
            seen = scores.cross_entropy[..., chosen]
            loss = scores.cross_entropy[..., ~chosen].mean(-1, dtype=np.float64)
            wrong = scores.wrong[..., ~chosen].mean(-1, dtype=np.float64)
            for unit in range(units):
                rest = seen if units == 1 else np.delete(seen, unit, axis=1)
                found.append(_Fold(layout(rest), loss[:, unit], wrong[:, unit]))
    return found


def choices(scores: Scores, labels: np.ndarray, settings: pd.DataFrame, plain: str) -> pd.DataFrame:
    """For each axis that varies, and for all cells: what each rule chooses, and its honest score.

    Args:
        scores: of the cells that may be chosen.
        labels: [example].
        settings: a row for each of `scores.cells`, with the columns of the axes.
        plain: the cell that the lines of single axes go through.

    Returns:
        `axis, rule, cell, value, test_cross_entropy, low, high, test_error, honest_cross_entropy, honest_error,
        flattery, tied`. `value` is the cell's on the axis (of all cells: its name); `tied`, joined by "; ", are the
        cells within one standard error of the best. Honest scores are nan where there is nothing to choose.
    """
    losses, order = layout(scores.cross_entropy), [strengths(dict(row)) for _, row in settings.iterrows()]
    wrong = scores.wrong.mean((1, 2), dtype=np.float64)
    apart: list[_Fold] | None = None
    rows = []
    for axis, among in lines(settings, scores.cells, plain).items():
        if len(among) > 1 and apart is None:
            apart = folds(scores, labels)
        ordered = axis == "all" or AXES[axis].stronger != 0
        best, modest, tied = choose(losses, among, order)
        trials = [choose(fold.seen, among, order)[:2] for fold in apart or ()] if len(among) > 1 else []
        for number, rule in enumerate(RULES if ordered else RULES[:1]):
            cell = (best, modest)[number]
            low, high = losses.one(cell).interval()
            row = {
                "axis": axis,
                "rule": rule,
                "cell": scores.cells[cell],
                "value": scores.cells[cell] if axis == "all" else settings[axis].iloc[cell],
                "test_cross_entropy": losses.one(cell).value[0],
                "low": low,
                "high": high,
                "test_error": wrong[cell],
                "honest_cross_entropy": np.nan,
                "honest_error": np.nan,
                "flattery": np.nan,
                "tied": "; ".join(scores.cells[i] for i in tied),
            }
            if trials and apart:
                both = [(fold, trial[number]) for fold, trial in zip(apart, trials, strict=True)]
                honest = float(np.mean([fold.cross_entropy[cell] for fold, cell in both]))
                shown = float(np.mean([fold.seen.one(cell).value[0] for fold, cell in both]))
                row |= {
                    "honest_cross_entropy": honest,
                    "honest_error": float(np.mean([fold.wrong[cell] for fold, cell in both])),
                    "flattery": honest - shown,
                }
            rows.append(row)
    return pd.DataFrame(rows)


def lines(settings: pd.DataFrame, cells: Sequence[str], plain: str) -> dict[str, list[int]]:
    """Which cells are compared along each axis, and under "all": those under the plain cell's conditions."""
    axes = [axis for axis in present(settings) if not AXES[axis].condition]
    text = settings.astype(str).reset_index(drop=True)
    start = text.iloc[list(cells).index(plain)] if plain in cells else text.iloc[0]
    conditions = [axis for axis in CONDITIONS if axis in settings]
    same = (text[conditions] == start[conditions]).all(axis=1)
    found: dict[str, list[int]] = {}
    if not text[[*axes, *conditions]].duplicated().any():  # named runs may differ in what is no axis
        for axis in sorted(axes, key=list(settings.columns).index):
            others = [other for other in axes if other != axis]
            along = np.flatnonzero(same & (text[others] == start[others]).all(axis=1))
            if text[axis].iloc[along].nunique() > 1:
                found[axis] = [int(i) for i in along]
    found["all"] = [int(i) for i in np.flatnonzero(same)]
    return found
