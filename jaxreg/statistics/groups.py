"""Cells with the same splits and seeds, whose predictions are read together, block by block of examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.statistics.comparisons import COMPARED, Difference
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.losses import INDEX, MEASURES, Design, design, sums_of, terms

_BLOCK_BYTES = 64 * 2**20
_COMPARED = [INDEX[measure] for measure in COMPARED.values()]


@dataclass(frozen=True)
class CellMembers:
    """The counted members of a cell."""

    name: str
    rows: tuple[int, ...]  # of the predictions
    pairs: tuple[tuple[str, str], ...]  # (split, seed) of each
    diverged: int


class Predictions:
    """Log-probabilities [member, example, class] and labels [example], read in blocks of examples."""

    def __init__(self, log_probabilities: Any, labels: np.ndarray) -> None:
        self.log_probabilities = log_probabilities
        self.labels = np.asarray(labels).astype(np.int64)

    def terms(self, cells: Sequence[CellMembers]) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Blocks of examples with `decomposition.terms` of cells that have the same (split, seed) pairs.

        Yields the examples, estimates [cell, measure, example] and pseudo-values [cell, measure, unit, example].
        """
        where = design_of(cells[0])
        _, examples, classes = self.log_probabilities.shape
        each = len(cells) * len(MEASURES) * where.units + 8 * len(where.order) * classes
        size = max(1, min(examples, _BLOCK_BYTES // (8 * each)))
        for start in range(0, examples, size):
            block = slice(start, min(start + size, examples))
            found = [
                terms(
                    sums_of(self.log_probabilities[list(cell.rows), block], "log_probabilities", where),
                    self.labels[block],
                    where.splits,
                )
                for cell in cells
            ]
            yield block, np.stack([x for x, _ in found]), np.stack([x for _, x in found])


def design_of(cell: CellMembers) -> Design:
    return design(*zip(*cell.pairs, strict=True))


class Group:
    """Cells with the same splits and seeds, and what the predictions say of them."""

    def __init__(self, cells: Sequence[CellMembers], predictions: Predictions) -> None:
        self.cells = list(cells)
        self.names = tuple(cell.name for cell in cells)
        self.design = design_of(cells[0])
        units, examples = self.design.units, len(predictions.labels)
        self.by_measure = TwoWay(len(MEASURES), len(cells), units)  # series: measures of a cell
        self.by_cell = TwoWay(len(cells), len(COMPARED), units)  # series: cells
        self.terms = np.empty((len(cells), len(MEASURES), examples), dtype=np.float32)
        self.cross_entropy, self.wrong = np.empty((2, len(cells), units, examples), dtype=np.float32)  # of each unit
        for block, estimate, pseudo in predictions.terms(cells):
            self.by_measure.add(estimate.swapaxes(0, 1), pseudo.swapaxes(0, 1))
            self.by_cell.add(estimate[:, _COMPARED], pseudo[:, _COMPARED])
            self.terms[..., block] = estimate
            self.cross_entropy[..., block] = pseudo[:, INDEX["cross_entropy", "error"]]
            self.wrong[..., block] = pseudo[:, INDEX["zero_one", "error"]]

    def difference(self, cell: str, reference: str) -> Difference:
        """Two of the cells, paired."""
        a, b = self.names.index(cell), self.names.index(reference)
        apart = np.hypot(self.by_cell.one(a).error, self.by_cell.one(b).error)
        return Difference(cell, reference, self.by_cell.difference(a, b), apart)


def counted(members: pd.DataFrame, member_ids: Sequence[str]) -> list[CellMembers]:
    """Every cell of the sweep, in order, with its counted members."""
    place = {name: row for row, name in enumerate(member_ids)}
    rows = members[members["split"].astype(str) != "all"]
    cells = []
    for name in dict.fromkeys(members["cell"]):
        mine = rows[rows["cell"] == name]
        sound = mine[mine["diverged_at"].isna() & mine["member"].isin(list(place))]
        pairs = sorted(
            (str(split), str(seed), place[member])
            for split, seed, member in zip(sound["split"], sound["seed"], sound["member"], strict=True)
        )
        cells.append(
            CellMembers(
                str(name),
                tuple(row for *_, row in pairs),
                tuple((split, seed) for split, seed, _ in pairs),
                int(mine["diverged_at"].notna().sum()),
            )
        )
    return cells


def grouped(cells: Sequence[CellMembers], predictions: Predictions) -> list[Group]:
    found: dict[tuple[tuple[str, str], ...], list[CellMembers]] = {}
    for cell in cells:
        if cell.pairs:
            found.setdefault(cell.pairs, []).append(cell)
    return [Group(group, predictions) for group in found.values()]


def differences(
    groups: Sequence[Group], cells: Sequence[CellMembers], predictions: Predictions, references: Sequence[str]
) -> list[Difference]:
    """All pairs of cells that have the same members; pairs that don't, against the references alone."""
    found = [group.difference(*pair) for group in groups for pair in combinations(group.names, 2)]
    home = {name: group for group in groups for name in group.names}
    by_name = {cell.name: cell for cell in cells}
    done = set()
    for reference in references:
        for name, group in home.items():
            if group is home[reference] or (name, reference) in done or (reference, name) in done:
                continue
            a, b = by_name[name], by_name[reference]
            done.add((name, reference))
            common = set(a.pairs) & set(b.pairs)
            if common:
                both = Group([_restricted(a, common), _restricted(b, common)], predictions)
                found.append(both.difference(name, reference))
    return found


def _restricted(cell: CellMembers, pairs: set[tuple[str, str]]) -> CellMembers:
    kept = [(row, pair) for row, pair in zip(cell.rows, cell.pairs, strict=True) if pair in pairs]
    return CellMembers(cell.name, tuple(row for row, _ in kept), tuple(pair for _, pair in kept), cell.diverged)
