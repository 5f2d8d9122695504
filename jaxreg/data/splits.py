"""Which training images a member sees: disjoint class-balanced parts, and fewer of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Integer

from jaxreg.data.rare_classes import check_splits, too_few
from jaxreg.errors import UserError
from jaxreg.formatting import count


def split_rows(
    labels: Integer[np.ndarray, " example"],
    splits: int,
    seed: int,
    deal: int = 0,
    groups: Integer[np.ndarray, " example"] | None = None,
) -> list[Int64[np.ndarray, " row"]]:
    """Deal the rows into disjoint parts that hold the same number of images of each class.

    All parts are of one size, so that members differ in nothing but which images they see. Where `splits`
    does not divide a class, the remainder (fewer than `splits` images of it) is in no part. Rows of a part
    are in random order. One split is every row, in file order. Depends on the arguments alone; give the
    labels as they are in the source, not corrupted ones, so that a cell's label noise does not move its
    splits. Another `deal` (0, 1, ...) cuts the same rows anew, independently. With `groups`, rows of one group are in
    one part, so that parts are balanced by size and not by class; what the largest have more than the smallest is left
    out; there must be as many groups as parts.

    Raises:
        UserError: there are more splits than images of some class.
    """
    assert splits >= 1 and seed >= 0 and deal >= 0
    if splits == 1:
        return [np.arange(labels.size)]
    if groups is not None:
        return _whole_groups(groups, splits, [seed, splits, deal])
    check_splits(labels, splits)
    # Raw bits of PCG64 and a stable sort: NumPy promises these for all versions, `Generator.permutation` not.
    key = [seed, splits, deal] if deal else [seed, splits]
    cards, order = np.random.PCG64(key).random_raw(2 * labels.size).reshape(2, -1)
    shuffled = np.argsort(cards, kind="stable")
    hands = []
    for name, there in zip(*np.unique(labels, return_counts=True), strict=True):
        rows = shuffled[labels[shuffled] == name]
        hands.append(rows[: there - there % splits].reshape(splits, -1))
    return [part[np.argsort(order[part], kind="stable")] for part in np.concatenate(hands, axis=1)]


def _whole_groups(groups: Integer[np.ndarray, " example"], splits: int, key: list[int]) -> list[np.ndarray]:
    """Disjoint parts of equal size, none of which shares a group with another."""
    hands = _hands(groups, splits, key)
    least = min(hand.size for hand in hands)
    return [hand[:least] for hand in hands]


def _hands(groups: Integer[np.ndarray, " example"], splits: int, key: list[int]) -> list[np.ndarray]:
    """Disjoint parts of about equal size, each row in one, none of which shares a group with another."""
    numbers, sizes = np.unique(groups, return_counts=True)
    assert splits <= numbers.size  # as `jaxreg.source.check_design` has seen to
    order, cards = np.random.PCG64([*key, GROUPS]).random_raw(2 * groups.size).reshape(2, -1)
    mixed = np.argsort(order[: numbers.size], kind="stable")
    hands: list[list[int]] = [[] for _ in range(splits)]
    held = np.zeros(splits, np.int64)
    for group in mixed[np.argsort(-sizes[mixed], kind="stable")]:  # large ones first, each to the smallest part
        smallest = int(held.argmin())
        hands[smallest].append(int(numbers[group]))
        held[smallest] += sizes[group]
    parts = [np.flatnonzero(np.isin(groups, hand)) for hand in hands]
    return [part[np.argsort(cards[part], kind="stable")] for part in parts]


def fold_numbers(
    labels: Integer[np.ndarray, " example"],
    folds: int,
    seed: int,
    deal: int = 0,
    groups: Integer[np.ndarray, " example"] | None = None,
) -> Int64[np.ndarray, " example"]:
    """The fold of each row. Sizes differ by one at most, and so do the rows of each class; another deal deals anew.

    With `groups`, of which there must be as many as folds, rows of one group are in one fold, and the folds are as even
    as whole groups can be.

    Raises:
        UserError: a class has too few rows to leave two folds out.
    """
    numbers = np.empty(labels.size, np.int64)
    if groups is not None:
        for fold, part in enumerate(_hands(groups, folds, [seed, folds, deal])):
            numbers[part] = fold
        return numbers
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < LEAST_OF_CLASS:
        raise UserError(
            f"class number {classes[counts.argmin()]} has {counts.min()} rows, and cross-validation needs "
            f"{LEAST_OF_CLASS} of each. Leave it out, or type --design holdout."
        )
    cards = np.random.PCG64([seed, folds, deal, FOLDS]).random_raw(labels.size)
    numbers[np.lexsort((cards, labels))] = np.arange(labels.size) % folds
    return numbers


def dealt_folds(
    labels: Integer[np.ndarray, " example"],
    folds: int,
    seed: int,
    deals: int,
    groups: Integer[np.ndarray, " example"] | None = None,
) -> Int64[np.ndarray, "deal example"]:
    """`fold_numbers` of each deal."""
    return np.stack([fold_numbers(labels, folds, seed, deal, groups) for deal in range(deals)])


LEAST_OF_CLASS = 3
"""Rows of a class with which one is left to train on when any two folds are left out."""


def held_out(
    labels: Integer[np.ndarray, " example"],
    share: float,
    seed: int,
    groups: Integer[np.ndarray, " example"] | None = None,
    names: Sequence[str] = (),
) -> Int64[np.ndarray, " row"]:
    """Rows that score and are not trained on: this share of each class, or whole groups with about that of all rows.

    `names` are what messages call the classes, in the place of their numbers.

    Raises:
        UserError: a class would have no row on one of the two sides.
    """
    cards = np.random.PCG64([seed, HELD_OUT]).random_raw(labels.size)
    if groups is not None:
        numbers, first = np.unique(groups, return_index=True)
        mixed = numbers[np.argsort(cards[first], kind="stable")]
        sizes = np.bincount(np.searchsorted(numbers, groups), minlength=numbers.size)
        reached = np.cumsum(sizes[np.searchsorted(numbers, mixed)])
        enough = int(np.searchsorted(reached, share * labels.size)) + 1
        rows = np.flatnonzero(np.isin(groups, mixed[: min(enough, numbers.size - 1)]))
    else:
        found = []
        for name, there in zip(*np.unique(labels, return_counts=True), strict=True):
            own = np.flatnonzero(labels == name)
            found.append(own[np.argsort(cards[own], kind="stable")][: max(1, round(share * there))])
        rows = np.sort(np.concatenate(found))
    classes = np.unique(labels)
    for side in (rows, np.setdiff1d(np.arange(labels.size), rows)):
        if (lost := np.setdiff1d(classes, labels[side])).size:
            if len(classes) == 1:
                raise UserError("the rows are too few, or all of one group: none are left to score. Give a test table.")
            raise UserError(_one_sided(labels, int(lost[0]), groups, names))
    return rows


def _one_sided(labels: np.ndarray, lost: int, groups: np.ndarray | None, names: Sequence[str]) -> str:
    """What is said of a class that is not both trained on and scored."""
    needs = ", and needs 2: one to train on and one that scores"
    if groups is not None:
        there = count(np.unique(groups[labels == lost]).size, "group")
        needs = f" in {there}, all on one side, and needs groups to train on and others that score"
    return too_few(labels, lost, names, needs, ", or give a test table")


SUBSETS = 2**32 - 2  # of a key, in the place of a number of splits or rows, which never reaches it
HELD_OUT, GROUPS, FOLDS, WATCHED = 2**32 - 3, 2**32 - 4, 2**32 - 5, 2**32 - 6  # in the same place


def nested_rows(
    rows: Int64[np.ndarray, " row"], labels: Integer[np.ndarray, " example"], count: int, seed: int
) -> Int64[np.ndarray, " fewer"]:
    """`count` rows of a split, drawn at random, each class in proportion to its share of the split.

    Nested: those of a smaller count are among those of a larger one. They keep the split's order, so that as many as
    the split has are the split. `labels` are those of the whole training set, indexed by `rows`, as they are in the
    source.

    Raises:
        UserError: the split has fewer.
    """
    check_count(count, rows.size)
    cards = np.random.PCG64([seed, SUBSETS]).random_raw(labels.size)[rows]
    of_row, place = labels[rows], np.empty(rows.size)
    for name in np.unique(of_row):
        own = np.flatnonzero(of_row == name)
        place[own[np.argsort(cards[own], kind="stable")]] = (np.arange(own.size) + 0.5) / own.size
    kept = np.zeros(rows.size, bool)
    kept[np.lexsort((cards, place))[:count]] = True
    return rows[kept]


def check_count(count: int, there: int) -> None:
    """Raises `UserError` where more training examples are asked for than a split has."""
    if count > there:
        raise UserError(
            f"train_examples = {count}: a split has only {there} training examples. Give {there} or less, "
            '"all" for each of them, or fewer splits.'
        )


def balanced_rows(labels: Integer[np.ndarray, " example"], count: int, seed: int) -> Int64[np.ndarray, " row"]:
    """About `count` rows, as many of each class as of any other; all of them, in file order, where there are no more.

    A class gives count / classes of its rows, rounded, at least one and no more than it has.
    """
    if count >= labels.size:
        return np.arange(labels.size)
    shuffled = np.argsort(np.random.PCG64([seed, count]).random_raw(labels.size), kind="stable")
    classes = np.unique(labels)
    each = max(1, round(count / classes.size))
    return np.sort(np.concatenate([shuffled[labels[shuffled] == name][:each] for name in classes]))
