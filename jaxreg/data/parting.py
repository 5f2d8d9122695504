"""Which rows train and which score, with the targets of both: a test part that is given, or a share held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxreg.data.dataset import HeldOut, Quantities, Reading
from jaxreg.data.rare_classes import too_few
from jaxreg.data.splits import LEAST_OF_CLASS, held_out
from jaxreg.data.targets import Targets, numbered, quantities, targets_of
from jaxreg.errors import UserError
from jaxreg.formatting import brief, count

FEW = 1000
"""Rows below which each scores, in a cross-validation: disjoint parts of fewer would answer for very few rows."""


class Parted(NamedTuple):
    """Both parts of a data set."""

    folded: bool  # both are all rows
    rows: tuple[np.ndarray, np.ndarray] | None  # of the one table: to train on, and to score; None of two tables
    targets: list[np.ndarray]  # of both, as `jaxreg.data.dataset.Part` has them
    quantities: Quantities | None
    notes: tuple[str, ...]

    def held_out(self, groups: np.ndarray | None = None) -> HeldOut | None:
        """The rows of the one table that score and are not trained on, with their `groups`, of all rows."""
        if self.rows is None or self.folded:
            return None
        return HeldOut(self.rows[1], None if groups is None else groups[self.rows[1]])


def parted(
    targets: Targets,
    names: Sequence[str],
    tested: pd.DataFrame | None,
    how: Reading,
    name: str,
    groups: np.ndarray | None = None,
    words: tuple[str, str] = ("table", "rows"),
) -> Parted:
    """The targets of a table, and those of another one that scores, or else of a share of its rows.

    Args:
        targets: of all rows of the table.
        names: of the columns that they are from.
        tested: these columns of the table that scores, where there is one.
        how: the share that scores, and its seed.
        name: of the data, for messages.
        groups: "row" number of the group that stays on one side.
        words: what a part, and examples, are called in the notes.

    Raises:
        UserError: targets of the two do not fit each other, or a class has too few rows.
    """
    rows, notes, part, examples = None, [targets.note], *words
    folded, why = (False, "") if tested is not None else _folded(targets, how, name, examples)
    if folded:
        everything = np.arange(len(targets.values))
        rows, wanted = (everything, everything), [targets.values] * 2
        notes.append(
            f"no test {part}: cross-validation, each of {len(everything):,} {examples} is scored by networks that have "
            f"not seen it, {why}"
        )
    elif tested is None:
        scores = held_out(targets.strata, how.holdout, how.seed, groups, targets.classes)
        rows = np.setdiff1d(np.arange(len(targets.values)), scores), scores
        drawn = f", whole groups of {how.group}" if groups is not None else " by class" if targets.classes else ""
        instead = f", and no cross-validation, {why}" if why else ""
        notes.append(
            f"no test {part}: {len(scores):,} of {len(targets.values):,} {examples} score, drawn at random{drawn}"
            f"{instead}"
        )
        wanted = [targets.values[own] for own in rows]
    else:
        notes.append(f"{len(tested):,} {examples} of a test {part} score")
        own = numbered(tested[names[0]], targets.classes, names[0]) if targets.classes else None
        wanted = [
            targets.values,
            targets_of(tested, how._replace(task="regression"), "the test table").values if own is None else own,
        ]
    if groups is not None:
        together = count(np.unique(groups).size, "group")
        notes.append(f"{examples} with the same {how.group} stay together in every split and fold: {together}")
    if not targets.classes:
        return Parted(folded, rows, *quantities(wanted[0], wanted[1], names), tuple(notes))
    if len(missing := np.setdiff1d(np.arange(len(targets.classes)), wanted[0])):
        raise UserError(f"{name}: class {brief(targets.classes[missing[0]])} has no row to train on.")
    return Parted(folded, rows, wanted, None, tuple(notes))


def _folded(targets: Targets, how: Reading, name: str, examples: str) -> tuple[bool, str]:
    """Whether all rows score, as asked, or else where there are few of them and enough of each class; and why."""
    if how.folds is False:
        return False, ""
    if how.folds is None and len(targets.values) >= FEW:
        return False, f"since {FEW:,} {examples} or more are enough for disjoint parts"
    rarest = int(np.bincount(targets.strata).argmin())
    there = int((targets.strata == rarest).sum())
    if there >= LEAST_OF_CLASS:
        why = f"since fewer than {FEW:,} {examples} are few for disjoint parts" if how.folds is None else "as asked for"
        return True, why
    if not targets.classes:
        raise UserError(f"{name}: {count(there, 'row')} to train on and to score, expected {LEAST_OF_CLASS} or more.")
    # Of one row neither does it: it would have to be on both sides.
    holdout = f", or type {how.typed('design', 'holdout')}" if there > 1 else ""
    needs = f", and a study needs {LEAST_OF_CLASS} of each"
    instead = f", join it with another class{holdout}" if holdout else ", or join it with another class"
    raise UserError(f"{name}: {too_few(targets.strata, rarest, targets.classes, needs, instead)}")
