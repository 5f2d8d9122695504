"""Which cell to use, and what it scores where it was not chosen.

Two rules, both on the mean test loss, cross-entropy or squared error:

- `best`: the lowest mean.
- `one_standard_error`: of the cells whose mean is above the best by no more than one standard error of that
  paired difference, the most regularised (Breiman et al. 1984 took the error of the best mean itself; pairing
  makes the sharper yardstick). Which of two values of an axis regularises more is in the table of axes; between axes
  there is no such order, and of all cells it is the one with the smallest generalisation gap, test minus train
  loss. Noise in the training set and input scaling are not degrees of regularisation: noise is a
  condition under which one chooses, and a scaling is only ever `best`.

A score quoted from the data that chose it flatters. The honest score chooses with one class-balanced half of the
test examples and all units but one (a unit is a split, or a seed where there is one split), and quotes the
other half on the unit left out: averaged over both ways round, every unit, and several ways to halve. `flattery`
is that score minus the one that the choice was based on. `jaxreg.statistics.folds` makes the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from jaxreg.axes import AXES, CONDITIONS, present
from jaxreg.measures import CLASSES, Measures, honest
from jaxreg.statistics.folds import Scores
from jaxreg.statistics.intervals import TwoWay

RULES = ("best", "one_standard_error")


def choose(losses: TwoWay, among: Sequence[int], strength: Sequence[float]) -> tuple[int, int, list[int]]:
    """Best, the one of most `strength` within one standard error of it, and all that are within."""
    best = min(among, key=lambda cell: losses.sums[0, cell])
    gaps = losses.differences(best)
    # False where one is nan.
    tied = [cell for cell in among if cell == best or gaps.value[cell] <= gaps.error[cell]]
    return best, max(tied, key=lambda cell: strength[cell]), tied


def choices(
    scores: Scores, settings: pd.DataFrame, plain: str, gaps: Sequence[float], measures: Measures = CLASSES
) -> pd.DataFrame:
    """For each axis that varies, and for all cells: what each rule chooses, and its honest score.

    Args:
        scores: of the cells that may be chosen.
        settings: a row for each of `scores.cells`, with the columns of the axes.
        plain: the cell that the lines of single axes go through.
        gaps: test minus train loss of each of `scores.cells`.
        measures: of the kind of target, whose first one chooses.

    Returns:
        `axis, rule, cell, value, test_cross_entropy, low, high, test_error, honest_cross_entropy, honest_error,
        flattery, tied`, or the like of other measures. `value` is the cell's on the axis (of all cells: its name);
        `tied`, joined by "; ", are the cells within one standard error of the best. Honest scores are nan where there
        is nothing to choose.
    """
    losses, along = scores.losses, lines(settings, scores.cells, plain)
    strengths = {
        axis: [-gap for gap in gaps] if axis == "all" else [AXES[axis].strength(value) for value in settings[axis]]
        for axis in along
    }
    elsewhere = _honest(scores, along, strengths)
    rows = []
    for axis, among in along.items():
        best, modest, tied = choose(losses, among, strengths[axis])
        chosen = {"best": best}
        if axis == "all" or AXES[axis].stronger != 0:
            chosen["one_standard_error"] = modest
        for rule, cell in chosen.items():
            low, high = losses.one(cell).interval()
            loss, wrong, shown = elsewhere.get((axis, rule), (np.nan, np.nan, np.nan))
            rows.append(
                {
                    "axis": axis,
                    "rule": rule,
                    "cell": scores.cells[cell],
                    "value": scores.cells[cell] if axis == "all" else settings[axis].iloc[cell],
                    measures.first: losses.one(cell).value[0],
                    "low": low,
                    "high": high,
                    measures.second: scores.second[cell],
                    honest(measures.first): loss,
                    honest(measures.second): wrong,
                    "flattery": loss - shown,
                    "tied": "; ".join(scores.cells[i] for i in tied),
                }
            )
    return pd.DataFrame(rows)


def gaps(members: pd.DataFrame, cells: Sequence[str], measures: Measures) -> list[float]:
    """The generalisation gap of each cell, mean over its counted members; nan where train losses are not known."""
    sound = members[(members["split"].astype(str) != "all") & members["diverged_at"].isna()]
    test, train = (f"{part}_{measures.loss}" for part in ("test", "train"))
    if not {test, train} <= set(sound):
        return [np.nan] * len(cells)
    return (sound[test] - sound[train]).groupby(sound["cell"]).mean().reindex(list(cells)).to_list()


def _honest(
    scores: Scores, along: Mapping[str, Sequence[int]], strengths: Mapping[str, Sequence[float]]
) -> dict[tuple[str, str], np.ndarray]:
    """Mean loss and second measure where not chosen, and mean loss where chosen, by axis and rule."""
    along = {axis: among for axis, among in along.items() if len(among) > 1}
    sums: dict[tuple[str, str], np.ndarray] = {}
    number = 0
    for fold in scores.folds() if along else ():
        number += 1
        means = fold.seen.sums[0] / fold.seen.examples
        for axis, among in along.items():
            best, modest, _ = choose(fold.seen, among, strengths[axis])
            for rule, cell in zip(RULES, (best, modest), strict=True):
                found = np.array([fold.loss[cell], fold.second[cell], means[cell]])
                sums[axis, rule] = sums.get((axis, rule), 0.0) + found
    return {key: total / number for key, total in sums.items()}


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
