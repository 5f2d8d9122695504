"""What early stopping holds back of the rows that a member may train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Integer

from jaxreg.data.splits import WATCHED
from jaxreg.errors import UserError


class Sides(NamedTuple):
    """Row numbers of the training set, in the order in which they were given."""

    train: Int64[np.ndarray, " train"]
    watched: Int64[np.ndarray, " validation"]


def validation_share(
    rows: Int64[np.ndarray, " row"],
    labels: Integer[np.ndarray, " example"],
    share: float,
    draw: Sequence[int] | None = None,
) -> Sides:
    """Hold back a share of a split for early stopping.

    Stratified: of each class, the last round(share * count) of its rows, but never all of them. Keras's
    `validation_split` holds back the last rows whatever their class; this does the same within each class, so
    that all splits train on equally many images. Both parts keep their order. `labels` are those of the whole
    training set, indexed by `rows`, as they are in the source. With `draw`, the key of a draw, they are random ones of
    each class in the place of the last: of a table, whose rows may be sorted by time or place.

    Raises:
        UserError: the share is not in [0, 1), or is above 0 and too small to hold back a single image.
    """
    check(share)
    held_back = np.zeros(rows.size, bool)
    order = np.arange(rows.size)
    if draw is not None:
        # A card for each row of the training set: of fewer rows, those are watched that are watched of all.
        order = np.argsort(np.random.PCG64([*draw]).random_raw(labels.size)[rows], kind="stable")
    of_row = labels[rows[order]]
    for name, count in zip(*np.unique(of_row, return_counts=True), strict=True):
        size = min(round(share * count), count - 1)
        held_back[order[np.flatnonzero(of_row == name)[count - size :]]] = True
    if share > 0 and not held_back.any():
        raise UserError(
            f"validation_share = {share:g} of {rows.size} training examples holds back none of any class."
            " Give a larger share, more train_examples, or fewer splits."
        )
    return Sides(rows[~held_back], rows[held_back])


def validation_groups(
    parts: Sequence[Int64[np.ndarray, " row"]], groups: Integer[np.ndarray, " example"], share: float, seed: int
) -> list[Sides]:
    """The same for parts of equal size of which rows of one group must not stand on both sides.

    In random order, each group is held back that still fits into the share; where none does, the smallest. So that all
    parts train on, and watch, equally many rows, what one has more than another of either side is left out: of the rows
    to train on the last, which are in random order.

    Raises:
        UserError: a part is of one group, or the share is not in [0, 1).
    """
    check(share)
    found = [_whole_groups(rows, groups, share, seed) for rows in parts]
    train, watched = (min(side.size for side in of) for of in zip(*found, strict=True))
    return [Sides(sides.train[:train], sides.watched[:watched]) for sides in found]


def _whole_groups(rows: np.ndarray, groups: np.ndarray, share: float, seed: int) -> Sides:
    numbers, sizes = np.unique(groups[rows], return_counts=True)
    if numbers.size < 2:
        raise UserError(
            f"validation_share = {share:g}: all {rows.size} rows of a split are of one group, which can't be both "
            "trained on and watched. Give fewer splits, or leave early stopping out."
        )
    cards = np.random.PCG64([seed, WATCHED]).random_raw(int(groups.max()) + 1)[numbers]
    left, held = round(share * rows.size), []
    for place in np.argsort(cards, kind="stable"):
        if sizes[place] <= left:
            held.append(numbers[place])
            left -= int(sizes[place])
    back = np.isin(groups[rows], held or [numbers[sizes.argmin()]])
    return Sides(rows[~back], rows[back])


def fewer(sides: Sequence[Sides], parts: Sequence[Int64[np.ndarray, " row"]]) -> list[Sides]:
    """Of `validation_groups` the rows that are in smaller parts, equally many of each again."""
    found = [Sides(*(rows[np.isin(rows, part)] for rows in of)) for of, part in zip(sides, parts, strict=True)]
    train, watched = (min(side.size for side in of) for of in zip(*found, strict=True))
    if not train or not watched:
        raise UserError(
            "validation_share: of so few train_examples none is left on one side, as groups are held back whole. Give "
            "more."
        )
    return [Sides(of.train[:train], of.watched[:watched]) for of in found]


def check(share: float) -> None:
    """UserError unless it is a share of something."""
    if not 0 <= share < 1:
        raise UserError(f"validation_share is {share:g}, expected at least 0 and less than 1, for example 0.1.")
