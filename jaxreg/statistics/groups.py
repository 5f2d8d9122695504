"""Cells with the same splits and seeds, whose predictions are read together, block by block of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from jaxreg import axes
from jaxreg.statistics.comparisons import Difference
from jaxreg.statistics.cross_validation import CrossValidation, Folds, NestedLosses, running, unknown_from_folds
from jaxreg.statistics.folds import Scores
from jaxreg.statistics.predictions import CellMembers, Predictions
from jaxreg.statistics.sums import Design, design


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

    def __init__(self, cells: Sequence[CellMembers], predictions: Predictions, folds: Folds | None = None) -> None:
        self.cells = list(cells)
        self.names = tuple(cell.name for cell in cells)
        self.design = where = design_of(cells[0])
        self.measures = measures = predictions.measures
        compared = [measures.index[measure.term] for measure in measures.compared.values()]
        choosing = [list(measures.compared).index(name) for name in (measures.first, measures.second)]
        self.by_measure = [running(len(measures.terms), 1, where, folds) for _ in cells]  # of each cell; series: terms
        self.by_cell = running(len(cells), len(compared), where, folds)  # series: cells
        self.scores = Scores(self.names, predictions.strata, running(len(cells), 1, where, folds))
        unknown = [] if folds is None else unknown_from_folds(measures)
        self.terms = np.empty((len(cells), len(measures.terms), predictions.examples), dtype=np.float32)
        terms = [predictions.terms(cell, where) for cell in cells]
        for block in predictions.blocks(len(cells), where):
            size = block.stop - block.start
            estimates = np.empty((len(compared), len(cells), size))
            pseudos = np.empty((len(compared), len(cells), where.units, size))
            for i, of in enumerate(terms):
                estimate, pseudo = of(block)
                estimate[unknown] = pseudo[unknown] = np.nan
                self.by_measure[i].add(estimate[:, None], pseudo[:, None])
                self.terms[i, :, block] = estimate
                estimates[:, i], pseudos[:, i] = estimate[compared], pseudo[compared]
            self.by_cell.add(estimates.swapaxes(0, 1), pseudos.swapaxes(0, 1))
            self.scores.add(block, *pseudos[choosing])
        if folds is not None:
            self._nest(predictions, folds, compared, choosing[0])

    def _nest(self, predictions: Predictions, folds: Folds, compared: Sequence[int], choosing: int) -> None:
        """Gives all layouts the errors of nested cross-validation."""
        number, count = len(self.measures.terms), len(self.cells)
        by_measure = [NestedLosses(number, 1, folds) for _ in self.cells]
        by_cell = NestedLosses(count, len(compared), folds)
        nested = [folds.nested(cell) for cell in self.cells]
        where, deals = design_of(nested[0]), folds.deal[list(self.cells[0].rows)]
        terms = [predictions.terms(cell, where) for cell in nested]
        for block in predictions.blocks(count, where):
            found = np.empty((count, number, len(deals), folds.number, block.stop - block.start))
            for i, of in enumerate(terms):
                found[i] = of(block)[1].reshape(found.shape[1:])
                by_measure[i].add(block, found[i][:, None], deals)
            by_cell.add(block, found[:, compared], deals)
        layouts = [*self.by_measure, self.by_cell, self.scores.losses]
        by_loss = by_cell.mean_square()
        squares = [*(one.mean_square() for one in by_measure), by_loss, by_loss[choosing : choosing + 1]]
        for layout, square in zip(layouts, squares, strict=True):
            assert isinstance(layout, CrossValidation)
            layout.mean_square = square

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


def grouped(cells: Sequence[CellMembers], predictions: Predictions, folds: Folds | None = None) -> list[Group]:
    """The cells by what members they have; `folds` where these are out-of-fold models."""
    found: dict[tuple[tuple[str, str], ...], list[CellMembers]] = {}
    for cell in cells:
        if cell.pairs:
            found.setdefault(cell.pairs, []).append(cell)
    return [Group(group, predictions, folds) for group in found.values()]


def chosen_from(groups: Sequence[Group], cells: Sequence[CellMembers], plain: str | None) -> Group | None:
    """The group that may be chosen from: that of `plain`, else that of the cells without a diverged member."""
    whole = {cell.name for cell in cells if not cell.diverged}

    def rank(group: Group) -> tuple[bool, int, int]:
        return plain in group.names, len(whole.intersection(group.names)), len(group.design.order)

    return max(groups, key=rank, default=None)


def eligible(group: Group, cells: Sequence[CellMembers]) -> list[str]:
    """What may be recommended: those of the group, and those of which no member diverged, paired on what both have."""
    return [cell.name for cell in cells if cell.name in group.names or (cell.pairs and not cell.diverged)]


def differences(
    groups: Sequence[Group],
    cells: Sequence[CellMembers],
    predictions: Predictions,
    references: Sequence[str],
    folds: Folds | None = None,
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
                both = Group([_restricted(a, common), _restricted(b, common)], predictions, folds)
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
