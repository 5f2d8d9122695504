"""Which cells are told apart at a look at a study, which get more runs, and when nothing is left to run for.

Each look has the boundary of `jaxreg.statistics.boundaries`, so that all of them together keep the 5 %.

Many cells are tested at once, by Holm's procedure: of m cells not told yet each has the boundary of 5 % / m, and what
is told stays told (Maurer and Bretz 2013). Closing a cell because of what was seen, without telling anything of it,
only loses power, so this may be done by any rule; `decide` has one. Always-valid p-values (Johari et al. 2022;
confidence sequences, Howard et al. 2021) need no number of looks beforehand; they allow for endlessly many, which costs
power where there are few. `python -m jaxreg.coverage` has what each rule finds and costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from jaxreg.statistics.boundaries import Rule, boundary, spent
from jaxreg.statistics.comparisons import LEVEL, Difference, against, moderated, p_value
from jaxreg.statistics.moderation import Mixture
from jaxreg.statistics.power import MOST, detectable, needed
from jaxreg.statistics.spreads import Spread

FUTILE = 0.1  # a chance to be best, or to gain enough, for which no more is run
WORSE, BEHIND, NO_GAIN = "told worse", "unlikely to be the best", "unlikely to gain as much"


class Decision(NamedTuple):
    """What a look says."""

    look: int
    of: int
    told: Mapping[str, str]  # "lower" or "higher" than the reference, at this look or before
    closed: Mapping[str, str]  # the cells that get no more runs, and why
    open: tuple[str, ...]  # those that do, as does the reference
    leader: str  # of the open cells and the reference, the one with the lowest mean
    level: float  # for the smallest p-value of those not told before this look
    spent: float  # of the 5 %, in all looks together
    settled: bool  # nothing is left to run for

    @property
    def better(self) -> tuple[str, ...]:
        """The cells told lower."""
        return tuple(cell for cell, verdict in self.told.items() if verdict == "lower")


def decide(
    pairs: Sequence[Difference],
    reference: str,
    look: int,
    of: int,
    before: Decision | None = None,
    *,
    index: int = 0,
    difference: float = 0.0,
    rule: Rule = "pocock",
) -> Decision:
    """Which cells are told apart from the reference at this look, and which get more runs.

    Told are cells by the boundary of `of` looks, which is to be fixed before the first. No more runs get those that are
    told worse, and those that are better than the leader, or better than the reference by `difference`, with a chance
    of less than `FUTILE`. The study is settled when the leader is told better, or no cell is open.

    Args:
        pairs: the paired differences of all open cells from the reference, and from the cell of the lowest mean, as
            `jaxreg.statistics.groups.differences` makes them. Those of closed cells from the reference may be there:
            with as many models a unit, they tell how far units spread.
        reference: the cell that all others are compared with.
        look: which one this is, from 1.
        of: how many there will be at most.
        before: the decision of the look before; None at the first.
        index: of the measure, of which less is better.
        difference: the smallest gain worth a run, in units of the measure; 0 for any.
        rule: how the 5 % are spent.
    """
    if not 1 <= look <= of or (before is None) != (look == 1):
        raise ValueError(f"look {look} of {of} does not follow {'none' if before is None else before.look}")
    names = dict.fromkeys(name for d in pairs for name in (d.cell, d.reference) if name != reference)
    told, closed = (dict(before.told), dict(before.closed)) if before else ({}, {})
    # Cells closed untold count as tests that are not rejected: what they were could have been told too.
    tests = len(names.keys() | told.keys() | closed.keys())
    family = against(pairs, reference, list(names))
    sure = moderated(family, index)
    p = [p_value(d.paired, index, one) for d, one in zip(family, sure, strict=True)]
    gaps = {d.cell: float(d.paired.value[index]) for d in family}
    gains = _chances(family, sure, index, difference)
    first = boundary((1 - LEVEL) / max(tests - len(told), 1), of, rule)[look - 1]
    for place in np.argsort(p, kind="stable"):
        cell = family[place].cell
        if cell in closed or cell in told:
            continue
        if not p[place] <= boundary((1 - LEVEL) / (tests - len(told)), of, rule)[look - 1]:
            break
        told[cell] = "lower" if gaps[cell] < 0 else "higher"

    open_cells = [cell for cell, gap in gaps.items() if cell not in closed and np.isfinite(gap)]
    leader = min(open_cells, key=lambda cell: gaps[cell], default=reference)
    leader = leader if gaps.get(leader, 0.0) < 0 else reference
    rivals = against(pairs, leader, [reference, *open_cells])
    wins = _chances(rivals, moderated(rivals, index), index)
    for cell in open_cells:
        if told.get(cell) == "higher":
            closed[cell] = WORSE
        elif cell != leader and wins.get(cell, 1.0) < FUTILE:
            closed[cell] = BEHIND
        elif told.get(cell) != "lower" and gains.get(cell, 1.0) < FUTILE:
            closed[cell] = NO_GAIN
    left = tuple(cell for cell in open_cells if cell not in closed)
    settled = not left or told.get(leader) == "lower"
    return Decision(look, of, told, closed, left, leader, first, spent(1 - LEVEL, look / of, rule), settled)


def _chances(
    family: Sequence[Difference], sure: Sequence[Mixture | None], index: int, gain: float = 0.0
) -> dict[str, float]:
    """How probable it is that each cell is truly lower than its reference by `gain`, where that can be said."""
    found = {}
    for d, one in zip(family, sure, strict=True):
        short = float(d.paired.value[index]) + gain
        if one:
            half = one.p_value(short) / 2
            found[d.cell] = half if short > 0 else 1 - half
    return found


def limit(
    difference: float, spread: Spread, splits: int, seeds: int, examples: int, tests: int, deals: int = 1
) -> Literal["test examples", "training data"] | None:
    """What keeps any number of further seeds and deals from telling a true difference; None where nothing is known to.

    Args:
        difference: in units of the measure.
        spread: of the paired difference.
        splits, seeds, examples, tests, deals: as in `jaxreg.statistics.power.detectable`.
    """
    perfect = spread._replace(split=0.0, seed=0.0, anew=1.0)
    if detectable(perfect, splits, MOST, examples, tests, MOST) > abs(difference):
        return "test examples"
    if splits == 1 or deals == 1:  # seeds are units of their own; what a second deal would share is not known
        return None
    more = needed(difference, spread, splits, seeds, examples, tests, deals)
    return None if np.isfinite([more.seeds, more.deals]).any() else "training data"
