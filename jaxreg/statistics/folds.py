"""Choosing with one part of the data and quoting another: the sums that this needs, from blocks of examples.

The honest score of `jaxreg.statistics.selection` chooses with one half of the test examples and all units but one, and
quotes the other half on that unit. With L_cu the losses of cell c's unit u and T_c their sum over the units, what
the choice sees follows from sums over the examples of a half alone, of L_cu, L_cu L_du and L_cu T_d: leaving a
unit out is a subtraction, so that no loss of a single example is kept. Of several deals of the same data each is a
choice of its own, since the other deals' units have seen what the unit left out was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxreg.statistics.intervals import TwoWay

HALVINGS = 5


class Fold(NamedTuple):
    """What one half of the examples says without one unit, and what the other half says on that unit."""

    seen: TwoWay
    loss: Float[np.ndarray, " cell"]
    second: Float[np.ndarray, " cell"]


class _Part(NamedTuple):
    """Sums over the examples of a part of them."""

    examples: np.ndarray  # how many
    losses: np.ndarray  # [cell, unit]
    second: np.ndarray  # [cell, unit]
    own: np.ndarray  # [unit, cell, cell] products of a unit's losses
    shared: np.ndarray  # [unit, cell, cell] products of a unit's losses with the sum of its deal's units'


class Scores:
    """The losses of the cells that may be chosen, all with the same units, as sums."""

    def __init__(self, cells: Sequence[str], strata: Int[np.ndarray, " example"], losses: TwoWay) -> None:
        self.cells = tuple(cells)
        self.losses = losses  # what the choice is based on: of the cells, in one measure
        # The first part is all examples: a half's complement is what the half lacks of it.
        self._masks = np.stack([np.ones(len(strata), dtype=bool), *halves(strata)])
        parts, number = len(self._masks), len(self.cells)
        self._sums = _Part(
            np.zeros(parts, dtype=np.int64),
            *np.zeros((2, parts, number, losses.units)),
            *np.zeros((2, parts, losses.units, number, number)),
        )

    def add(
        self,
        block: slice,
        loss: Float[np.ndarray, "cell unit example"],
        second: Float[np.ndarray, "cell unit example"],
    ) -> None:
        """Add a block of examples: each unit's losses, and a second measure, such as the share that is wrong."""
        deals = self.losses.deals
        estimate = np.mean([loss[:, units].mean(1) for units in deals], axis=0)
        self.losses.add(estimate[:, None], loss[:, None])
        by_unit = loss.swapaxes(0, 1)
        for part, mask in enumerate(self._masks[:, block]):
            seen = by_unit[..., mask]
            self._sums.examples[part] += mask.sum()
            self._sums.losses[part] += seen.sum(-1).T
            self._sums.second[part] += second[..., mask].sum(-1)
            self._sums.own[part] += seen @ seen.swapaxes(1, 2)
            for units in deals:
                self._sums.shared[part, units] += seen[units] @ seen[units].sum(0).T

    @property
    def second(self) -> Float[np.ndarray, " cell"]:
        """The mean of the second measure."""
        by_deal = [self._sums.second[0][:, units].mean(-1) for units in self.losses.deals]
        return np.mean(by_deal, axis=0) / self._sums.examples[0]

    def folds(self) -> Iterator[Fold]:
        """Every way to choose with one part of the data and quote another; none where no stratum has two examples."""
        whole, *parts = (_Part(*sums) for sums in zip(*self._sums, strict=True))
        for half in parts:
            if not half.examples:
                return
            other = _Part(*(a - b for a, b in zip(whole, half, strict=True)))
            for chosen, quoted in ((half, other), (other, half)):
                for units in self.losses.deals:
                    yield from _folds(_of(chosen, units), _of(quoted, units))


def _of(part: _Part, units: slice) -> _Part:
    """The sums of a deal's units alone."""
    by_unit = (part.losses[:, units], part.second[:, units], part.own[units], part.shared[units])
    return _Part(part.examples, *by_unit)


def _folds(chosen: _Part, quoted: _Part) -> Iterator[Fold]:
    cells, units = chosen.losses.shape
    totals, products = chosen.shared.sum(0), chosen.own.sum(0)
    for unit in range(units):
        quote = (quoted.losses[:, unit] / quoted.examples, quoted.second[:, unit] / quoted.examples)
        if units == 1:  # there is none to leave out
            rest, squares, entries = chosen.losses, totals, products
        else:
            rest = np.delete(chosen.losses, unit, axis=1)
            across, own = chosen.shared[unit], chosen.own[unit]
            squares = (totals - across - across.T + own) / (units - 1) ** 2
            entries = products - own
        seen = TwoWay(cells, 1, rest.shape[1])
        seen.examples = int(chosen.examples)
        seen.sums[0], seen.rows[0] = rest.mean(1), rest
        seen.squares[0], seen.columns[0, 0], seen.entries[0] = squares, squares, entries
        yield Fold(seen, *quote)


def halves(strata: Int[np.ndarray, " example"], times: int = HALVINGS) -> Iterator[Bool[np.ndarray, " example"]]:
    """Ways to cut the examples in two halves with equal numbers of each stratum, always the same ones."""
    random = np.random.default_rng(0)
    for _ in range(times):
        half = np.zeros(len(strata), dtype=bool)
        for stratum in np.unique(strata):
            rows = random.permutation(np.flatnonzero(strata == stratum))
            half[rows[: len(rows) // 2]] = True
        yield half
