"""Levels for p-values of a study that is looked at again and again.

Whoever tests at 5 % after each round finds something in more than 5 % of studies. Group-sequential tests spend the 5 %
over the looks: a function says how much may be spent by each, and the boundary is what spends it (Lan and DeMets 1983;
Jennison and Turnbull 2000). Of z-scores of which look k has seen k rounds, the correlation of looks k < l is

    sqrt(information at k / information at l) >= sqrt(k / l)

with equality where all of the error comes from what a round draws anew. Parts of further deals share images, further
seeds on the same splits leave what splits do as it was, and the test set stays the same: then looks are more alike than
that, and cross a boundary made for sqrt(k / l) less often. So no information needs to be estimated. The variance is
unknown and units are few: boundaries are levels for p-values, which are those of `jaxreg.statistics.moderation` at each
look, not for z (Jennison and Turnbull's section 3.8).

A repeated p-value is the level at which a look would just have told something, and a repeated confidence interval what
such tests do not reject (Jennison and Turnbull 1989): both hold at whatever look a study ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy import optimize, stats

Rule = Literal["pocock", "obrien_fleming", "always_valid"]
_POINTS = 601  # between the boundaries
_LEVELS = np.logspace(-16, -1e-4, 120)  # of which boundaries are tabulated, for repeated p-values


def spent(level: float, fraction: float, rule: Rule) -> float:
    """How much of a two-sided level may be spent by a fraction of the looks (Lan and DeMets 1983).

    Of Pocock's type, level log(1 + (e - 1) fraction), spends early; of O'Brien and Fleming's,
    4 (1 - Phi(z_(level / 4) / sqrt(fraction))), late. What is always valid has all of it to spend at every look.
    """
    if rule == "always_valid":
        return level
    if rule == "pocock":
        return float(level * np.log1p((np.e - 1) * fraction))
    return float(4 * stats.norm.sf(stats.norm.isf(level / 4) / np.sqrt(fraction)))


@lru_cache(maxsize=1024)
def boundary(level: float, of: int, rule: Rule = "pocock") -> tuple[float, ...]:
    """The level for the two-sided p-value at each of so many looks.

    By the recursion of Armitage, McPherson and Rowe (1969): the density of the sum of k standard normal steps, of those
    that have crossed no boundary, on a grid between the boundaries. Always valid is the mixture sequential test of a
    normal mean (Robbins 1970), with the mixture that makes the second look's boundary the lowest.
    """
    if rule == "always_valid":
        bound = -2 * np.log(level)
        weight = np.arange(1, of + 1) * (bound + np.log1p(bound)) / 2
        return tuple(2 * stats.norm.sf(np.sqrt((1 + 1 / weight) * (np.log1p(weight) + bound))))
    levels, before = [], 0.0
    at, mass = np.zeros(1), np.ones(1)
    for look in range(1, of + 1):
        now = spent(level, look / of, rule)

        def crossing(limit: float, at: np.ndarray = at, mass: np.ndarray = mass) -> float:
            return float(mass @ (stats.norm.sf(limit - at) + stats.norm.sf(limit + at)))

        share = now - before
        limit = float(optimize.brentq(lambda x, share=share, cross=crossing: cross(x) - share, 0.0, 40 * np.sqrt(look)))
        levels.append(float(2 * stats.norm.sf(limit / np.sqrt(look))))
        grid = np.linspace(-limit, limit, _POINTS)
        density = stats.norm.pdf(grid[:, None] - at) @ mass
        at, mass, before = grid, density * (grid[1] - grid[0]), now
        mass[[0, -1]] /= 2
    return tuple(levels)


class Look(NamedTuple):
    """Which look at a study this is, of how many at most."""

    number: int
    of: int
    told: Mapping[str, str] = {}  # "lower" or "higher" than the reference in `measure`, at this look or before
    measure: str = ""
    rule: Rule = "pocock"

    def p_value(self, p: float) -> float:
        """The repeated p-value of a p-value at this look."""
        if not 0 < p < 1 or self.of == 1:
            return p
        levels = _at_look(self.number, self.of, self.rule)
        return float(np.exp(np.interp(np.log(p), np.log(levels), np.log(_LEVELS), right=0.0)))

    def level(self, level: float) -> float:
        """For one test at this look, where the whole study's is `level`."""
        return boundary(level, self.of, self.rule)[self.number - 1]


@lru_cache(maxsize=64)
def _at_look(number: int, of: int, rule: Rule) -> np.ndarray:
    return np.array([boundary(level, of, rule)[number - 1] for level in _LEVELS])
