"""Cells with the same splits and seeds, whose predictions are read together, block by block of examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from jaxreg import axes
from jaxreg.statistics.calibration import confidence
from jaxreg.statistics.comparisons import COMPARED, Difference
from jaxreg.statistics.decomposition import some
from jaxreg.statistics.folds import Scores
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.losses import INDEX, MEASURES, sensitivity, terms
from jaxreg.statistics.sums import Design, Sums, design, sums_of
from jaxreg.statistics.temperature import Temperatures, temperatures

_BLOCK_BYTES = 64 * 2**20
_COMPARED = [INDEX[measure] for measure in COMPARED.values()]
SCORED = ("test_cross_entropy", "test_error")  # of COMPARED: what a choice looks at


@dataclass(frozen=True)
class CellMembers:
    """The counted members of a cell."""

    name: str
    rows: tuple[int, ...]  # of the predictions
    pairs: tuple[tuple[str, str], ...]  # (split, seed) of each
    deals: tuple[int, ...]  # of each
    diverged: int


@runtime_checkable
class LogProbabilities(Protocol):
    """Log-probabilities [member, example, class], which may be on disk: an array, or what reads as one.

    They are asked for by a list of members and a slice of examples, `log_probabilities[rows, block]`, and for no more
    than some 64 MB at once.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: tuple[list[int], slice], /) -> np.ndarray: ...


def cut(examples: int, each: int) -> Iterator[slice]:
    """Blocks of examples that need `each` bytes, about 64 MB a block."""
    size = max(1, min(examples, _BLOCK_BYTES // each))
    for start in range(0, examples, size):
        yield slice(start, min(start + size, examples))


class Predictions:
    """Log-probabilities [member, example, class] and labels [example], read in blocks of examples."""

    def __init__(self, log_probabilities: LogProbabilities, labels: np.ndarray) -> None:
        self.log_probabilities = log_probabilities
        self.labels = np.asarray(labels).astype(np.int64)

    def blocks(self, cells: int, where: Design) -> Iterator[slice]:
        """Blocks of examples, such that `terms` of so many cells stay near 64 MB."""
        _, examples, classes = self.log_probabilities.shape
        each = cells * len(MEASURES) * where.units + 8 * len(where.order) * classes
        return cut(examples, 8 * each)

    def temperatures(self, cell: CellMembers) -> Temperatures:
        """Those of a cell's members."""
        return temperatures((self.log_probabilities[[row], slice(None)][0] for row in cell.rows), self.labels)

    def sums(self, cell: CellMembers, where: Design, block: slice, found: Temperatures) -> Sums:
        """What the losses need of a cell's members, of some examples."""
        read = self.log_probabilities[list(cell.rows), block]
        return sums_of(read, "log_probabilities", where, self.labels[block], found.of(block))

    def confidences(self, cell: CellMembers, where: Design) -> list[Iterator[tuple[np.ndarray, np.ndarray]]]:
        """For each unit its members' `calibration.confidence`, to be read one member at a time."""
        return [
            (self._confidence(cell.rows[i]) for i in where.order[start : start + models])
            for start, models in zip(where.starts, where.models, strict=True)
        ]

    def _confidence(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        _, examples, classes = self.log_probabilities.shape
        found = np.empty((2, examples))
        for block in cut(examples, 32 * classes):
            found[:, block] = confidence(self.log_probabilities[[row], block][0], self.labels[block])
        return found[0], found[1]

    def votes(self, cell: CellMembers, example: int) -> np.ndarray:
        """The class that each of a cell's members gives one example [member]."""
        return self.log_probabilities[list(cell.rows), slice(example, example + 1)][:, 0].argmax(-1)


def settings_of(members: pd.DataFrame) -> pd.DataFrame:
    """Where each cell lies on the axes that there are, indexed by cell."""
    rows = members.drop_duplicates("cell").set_index("cell")
    return rows[axes.present(rows)]


def reference_of(cells: Sequence[CellMembers], settings: pd.DataFrame) -> str | None:
    """The cell that others are compared with, of those with a counted member; None where there is none."""
    return axes.reference({cell.name: dict(settings.loc[cell.name]) for cell in cells if cell.pairs})


def design_of(cell: CellMembers) -> Design:
    split, seed = zip(*cell.pairs, strict=True)
    return design(split, seed, cell.deals)


class Group:
    """Cells with the same splits and seeds, and what the predictions say of them."""

    def __init__(self, cells: Sequence[CellMembers], predictions: Predictions) -> None:
        self.cells = list(cells)
        self.names = tuple(cell.name for cell in cells)
        self.design = where = design_of(cells[0])
        units = (where.units, where.deals)
        self.by_measure = [TwoWay(len(MEASURES), 1, *units) for _ in cells]  # of each cell; series: measures
        self.by_cell = TwoWay(len(cells), len(COMPARED), *units)  # series: cells
        self.scores = Scores(self.names, predictions.labels, *units)
        self.terms = np.empty((len(cells), len(MEASURES), len(predictions.labels)), dtype=np.float32)
        labels, classes = predictions.labels, predictions.log_probabilities.shape[2]
        found = [predictions.temperatures(cell) for cell in cells]
        self.temperatures = dict(zip(self.names, found, strict=True))
        sensitive = [
            sensitivity(
                (
                    (predictions.sums(cell, where, block, own), labels[block])
                    for block in some(len(labels), len(where.order), classes)
                ),
                where,
            )
            for cell, own in zip(cells, found, strict=True)
        ]
        for block in predictions.blocks(len(cells), where):
            size = block.stop - block.start
            estimates = np.empty((len(COMPARED), len(cells), size))
            pseudos = np.empty((len(COMPARED), len(cells), where.units, size))
            for i, cell in enumerate(cells):
                sums = predictions.sums(cell, where, block, found[i])
                estimate, pseudo = terms(sums, labels[block], where, sensitive[i])
                self.by_measure[i].add(estimate[:, None], pseudo[:, None])
                self.terms[i, :, block] = estimate
                estimates[:, i], pseudos[:, i] = estimate[_COMPARED], pseudo[_COMPARED]
            self.by_cell.add(estimates.swapaxes(0, 1), pseudos.swapaxes(0, 1))
            self.scores.add(block, *(pseudos[list(COMPARED).index(name)] for name in SCORED))

    def difference(self, cell: str, reference: str) -> Difference:
        """Two of the cells, paired."""
        a, b = self.names.index(cell), self.names.index(reference)
        apart = np.hypot(self.by_cell.one(a).error, self.by_cell.one(b).error)
        return Difference(cell, reference, self.by_cell.difference(a, b), apart)


def counted(members: pd.DataFrame, member_ids: Sequence[str], on_all: bool = False) -> list[CellMembers]:
    """Every cell of the sweep, in order, with its counted members: those on splits, or those `on_all` of the data."""
    place = {name: row for row, name in enumerate(member_ids)}
    rows = members[(members["split"].astype(str) == "all") == on_all]
    cells = []
    for name in dict.fromkeys(members["cell"]):
        mine = rows[rows["cell"] == name]
        sound = mine[mine["diverged_at"].isna() & mine["member"].isin(list(place))]
        deals = sound["deal"] if "deal" in sound and not on_all else np.zeros(len(sound), dtype=np.int64)
        found = sorted(
            (str(split), str(seed), place[member], int(deal))
            for split, seed, member, deal in zip(sound["split"], sound["seed"], sound["member"], deals, strict=True)
        )
        cells.append(
            CellMembers(
                str(name),
                tuple(row for _, _, row, _ in found),
                tuple((split, seed) for split, seed, _, _ in found),
                tuple(deal for *_, deal in found),
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
    kept = [i for i, pair in enumerate(cell.pairs) if pair in pairs]
    return replace(
        cell,
        rows=tuple(cell.rows[i] for i in kept),
        pairs=tuple(cell.pairs[i] for i in kept),
        deals=tuple(cell.deals[i] for i in kept),
    )
