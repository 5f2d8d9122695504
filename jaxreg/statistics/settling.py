"""What stopping when a study is settled costs and saves: made-up studies that are looked at after every round.

Each begins as the default design does, with five splits of one seed for ten cells and a reference, and goes on by
`jaxreg.statistics.sequential.decide`: a round is one more deal of five splits, or one more seed on each split, of the
open cells and the reference. It is held against the design that trains as many rounds of all cells, is looked at once
and finds as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import optimize

from jaxreg.statistics.boundaries import Rule
from jaxreg.statistics.comparisons import Difference, moderated, p_value
from jaxreg.statistics.familywise import BETTER, CROSS_ENTROPY, WILD, holm_levels, told
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.sequential import Decision, decide
from jaxreg.statistics.studies import Cells, Size, differences, layout, losses

SPLITS = 5
FAR = 1.0  # by how much the wild cell is worse
REFERENCE = "cell 0"


class Plan(NamedTuple):
    """How a study goes on."""

    rounds: Literal["deals", "seeds"]
    of: int  # rounds at most
    rule: Rule
    cells: Cells = CROSS_ENTROPY


class Rates(NamedTuple):
    """What so many studies of a plan have shown."""

    difference: float  # by which one cell is better where one is; the default design tells it in half of the studies
    found: float  # share of studies that tell it
    wrong: float  # that tell another cell better
    trainings: float  # of members, on average
    looks: float
    none_wrong: float  # where no cell is better: share of studies that tell one
    none_trainings: float
    none_settled: float  # there: share that says so before the last round
    fixed: float  # trainings of the design that is looked at once and finds as much (at most those of all rounds)


def rates(plan: Plan, studies: int, seed: int = 0) -> Rates:
    """Simulates a plan; runs are for gains of half of the `difference` or more."""
    number = len(plan.cells.split)
    size = Size(SPLITS, plan.of if plan.rounds == "seeds" else 1, plan.of if plan.rounds == "deals" else 1)

    def drawn() -> Iterator[np.ndarray]:  # anew every time: all together are large
        for study in range(studies):
            made = losses(np.random.default_rng([seed, study]), plan.cells, size)
            made[WILD + 1] += FAR
            yield made

    at_first = [_after(made, plan, 1) for made in drawn()]
    by_gain, error = _by_gain(at_first), np.median([differences(one)[BETTER].paired.error[0] for one in at_first])
    difference = float(optimize.brentq(lambda gain: by_gain(gain) - 0.5, 0.0, 50 * float(error), xtol=1e-5))
    runs: dict[bool, list[tuple[Decision, int]]] = {}
    for better in (False, True):
        truth = np.eye(number)[BETTER + 1] * -difference * better
        runs[better] = [_study(made + truth[:, None, None, None, None], plan, difference / 2) for made in drawn()]
    cell = f"cell {BETTER + 1}"
    found = np.mean([cell in last.better for last, _ in runs[True]])
    powers = [0.5]
    for rounds in range(2, plan.of + 1):
        powers.append(max(powers[-1], _by_gain([_after(made, plan, rounds) for made in drawn()])(difference)))
    return Rates(
        difference,
        float(found),
        float(np.mean([bool(set(last.better) - {cell}) for last, _ in runs[True]])),
        float(np.mean([cost for _, cost in runs[True]])),
        float(np.mean([last.look for last, _ in runs[True]])),
        float(np.mean([bool(last.better) for last, _ in runs[False]])),
        float(np.mean([cost for _, cost in runs[False]])),
        float(np.mean([last.settled for last, _ in runs[False]])),
        _enough(float(found), powers, number * SPLITS),
    )


def _enough(found: float, powers: Sequence[float], each: int) -> float:
    """Trainings after which a share `found` is told, from the shares that each round tells; in between, in between."""
    first = int(np.searchsorted(powers, found))
    if first in (0, len(powers)):
        return float(each * max(first, 1))
    below, above = powers[first - 1], powers[first]
    return each * (first + (found - below) / (above - below))


def _after(made: np.ndarray, plan: Plan, rounds: int, cells: Sequence[int] | None = None) -> TwoWay:
    """Some of the cells after so many rounds."""
    mine = made if cells is None else made[list(cells)]
    return layout(mine[:, :, :, :rounds] if plan.rounds == "seeds" else mine[:, :rounds])


def _study(made: np.ndarray, plan: Plan, gain: float) -> tuple[Decision, int]:
    """The last decision of a study, and how many members were trained for it."""
    cells, closed, trainings = list(range(len(made))), dict[str, Difference](), 0
    decision: Decision | None = None
    for look in range(1, plan.of + 1):
        trainings += SPLITS * len(cells)
        found = _after(made, plan, look, cells)
        family = differences(found, cells)
        rivals = differences(found, cells, int(found.sums[0].argmin()))
        pairs = [*family, *(d for d in rivals if REFERENCE not in (d.cell, d.reference)), *closed.values()]
        decision = decide(pairs, REFERENCE, look, plan.of, decision, difference=gain, rule=plan.rule)
        if decision.settled:
            break
        closed |= {d.cell: d for d in family if d.cell in decision.closed}
        cells = [cell for cell in cells if cell == 0 or f"cell {cell}" in decision.open]
    assert decision is not None
    return decision, trainings


def _by_gain(studies: Sequence[TwoWay]) -> Callable[[float], float]:
    """How often a study that is looked at once tells the cell that is better by some gain, as it is without it."""
    families = [differences(one) for one in studies]
    values = [d[BETTER].paired.value[0] for d in families]
    sure = [moderated(family, 0) for family in families]
    better = [mixtures[BETTER] for mixtures in sure]
    pairs = [zip(family, own, strict=True) for family, own in zip(families, sure, strict=True)]
    p = np.array([[p_value(d.paired, 0, one) for d, one in row] for row in pairs])

    def found(gain: float) -> float:
        p[:, BETTER] = [one.p_value(value - gain) if one else np.nan for one, value in zip(better, values, strict=True)]
        return float(told(p, holm_levels(p.shape[1]))[:, BETTER].mean())

    return found
