"""What early stopping holds back: of a table random rows, of groups whole ones, of images the last of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from test_tables import made, table

from jaxreg.data.dataset import Dataset
from jaxreg.data.splits import nested_rows, split_rows
from jaxreg.data.validation import validation_groups, validation_share
from jaxreg.engine import grouping
from jaxreg.errors import UserError
from jaxreg.spec.load import load, read
from jaxreg.spec.members import members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.identity import key

RULE = {"patience": 1, "validation_share": 0.2, "restore_best_weights": True}


def sweep(**more: object) -> Sweep:
    usual = {"grid": "l2", "l2": [0, 0.1], "splits": 3, "second_stage": 0, "epochs": 3, "hidden": [4]}
    return load(flags={**usual, "early_stopping": [RULE], **more})


@hypothesis_settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(8, 40), st.floats(0.01, 0.9))
def test_no_group_is_trained_on_and_watched(seed: int, splits: int, number: int, share: float) -> None:
    random = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(number).repeat(2), random.integers(0, number, 300)])
    parts = split_rows(np.zeros(groups.size, int), splits, seed, 0, groups)
    if min(np.unique(groups[part]).size for part in parts) < 2:
        return
    found = validation_groups(parts, groups, share, seed)
    assert len({(train.size, watched.size) for train, watched in found}) == 1 and min(map(len, found[0])) > 0
    for part, (train, watched) in zip(parts, found, strict=True):
        assert not set(groups[train]) & set(groups[watched])
        for side in (train, watched):  # in the order that they had
            np.testing.assert_array_equal(side, part[np.isin(part, side)])
    if splits == 1:
        sizes = np.bincount(groups)
        wanted = round(share * groups.size)
        assert found[0].train.size + found[0].watched.size == groups.size, "of one part nothing is left out"
        assert found[0].watched.size <= wanted or found[0].watched.size == sizes.min()
        assert wanted - found[0].watched.size < sizes.max() or len(np.unique(groups[found[0].train])) == 1


def test_members_of_a_table_with_groups_are_prepared_so() -> None:
    data = made(table(480), group="who")
    assert data.groups is not None
    asked = sweep(full_seeds=1, train_examples=[60, "all"], grid="l2,train_examples")
    prepared = grouping.prepare(members(asked), asked, data)
    everybody = [one for group in prepared.values() for one in group]
    assert len(prepared) == 2, "splits, fewer rows of them, and everything: two programs"
    assert {str(one.member.split) for one in everybody} == {"0", "1", "2", "all"}
    watched: dict[tuple[object, object], set[int]] = {}
    for one in everybody:
        assert not set(data.groups[one.rows]) & set(data.groups[one.validation])
        assert one.rows.size and one.validation.size
        watched[one.member.split, one.member.settings.train_examples] = set(one.validation.tolist())
    for group, own in prepared.items():
        assert (
            len({(one.rows.size, one.validation.size) for one in own if one.member.settings.train_examples is None})
            == 1
        )
        assert all(one.rows.size <= group.train_examples for one in own)
    for (split, count), rows in watched.items():
        assert rows <= watched[split, None], "of fewer rows those are watched that are watched of all"
        assert count is None or len(rows) < len(watched[split, None])


def test_of_parts_the_rows_are_the_last_of_each_class() -> None:
    """Which are random ones, since a part is in random order."""
    data = made(table(480).drop(columns="who"))
    asked = sweep(train_examples=[60, "all"], grid="l2,train_examples")
    parts = split_rows(data.strata, 3, asked.seed)
    for group in grouping.prepare(members(asked), asked, data).values():
        for one in group:
            part, count = parts[int(one.member.split)], one.member.settings.train_examples
            part = part if count is None else nested_rows(part, data.strata, count, asked.seed)
            train, watched = validation_share(part, data.strata, 0.2)
            np.testing.assert_array_equal(one.rows, train)
            np.testing.assert_array_equal(one.validation, watched)


def in_order(folded: bool = False) -> Dataset:
    """A table that is sorted by class, and by age in each."""
    return made(table(480).drop(columns="who").sort_values(["outcome", "age"]), folds=folded)


DESIGNS = ({"design": "folds", "splits": 5}, {"design": "holdout", "splits": 1}, {"splits": 3, "full_seeds": 2})


def prepared(asked: Sweep, data: Dataset) -> list[grouping.MemberData]:
    return [one for group in grouping.prepare(members(asked), asked, data).values() for one in group]


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_of_a_sorted_table_watched_rows_are_like_the_others(design: dict[str, Any]) -> None:
    data = in_order(folded=design.get("design") == "folds")
    alike, lasting = [], []
    for one in prepared(sweep(**design), data):
        for name in range(len(data.class_names)):
            own, watched = (rows[data.strata[rows] == name] for rows in (one.rows, one.validation))
            assert abs(watched.size - 0.2 * (own.size + watched.size)) <= 0.5
            alike.append(ks_2samp(*(data.train.inputs[rows, 0] for rows in (own, watched))).pvalue)
        if one.member.split == "all" or "design" in design:
            everything = np.sort(np.concatenate([one.rows, one.validation]))
            of_images = validation_share(everything, data.strata, 0.2)
            lasting.append(ks_2samp(*(data.train.inputs[rows, 0] for rows in of_images)).pvalue)
    assert min(alike) > 1e-4, "as of any random rows"
    assert max(lasting) < 1e-4, "the last rows of each class would not have been"


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_no_row_is_trained_on_and_watched_and_all_cells_have_the_same(design: dict[str, Any]) -> None:
    data, seeds = in_order(folded=design.get("design") == "folds"), {"seeds": 2}
    of_split: dict[object, set[tuple[bytes, bytes]]] = {}
    for one in prepared(sweep(**{**design, **seeds}), data):
        both = np.concatenate([one.rows, one.validation, one.unseen])
        assert one.validation.size and np.unique(both).size == both.size
        np.testing.assert_array_equal(np.sort(one.rows), np.unique(one.rows))
        of_split.setdefault(one.member.split, set()).add((one.rows.tobytes(), one.validation.tobytes()))
    assert all(len(rows) == 1 for rows in of_split.values()), "those of a split, in each cell and from each seed"
    watched = [next(iter(rows))[1] for rows in of_split.values()]
    assert len(set(watched)) == len(watched), "each split has its own"
    again = prepared(sweep(**{**design, **seeds}, seed=1), data)
    first = prepared(sweep(**{**design, **seeds}), data)
    assert any(set(a.validation) != set(b.validation) for a, b in zip(first, again, strict=True)), "of the sweep's seed"


def test_of_fewer_rows_of_a_table_those_are_watched_that_are_watched_of_all() -> None:
    rows, labels = np.arange(400), np.resize([0, 1], 400)
    fewer = nested_rows(rows, labels, 100, 0)
    everything, some = (set(validation_share(one, labels, 0.2, [7]).watched) for one in (rows, fewer))
    assert len(some & everything) > len(some) / 2, "nearly all, where chance would give a fifth"
    assert some <= set(validation_share(fewer, labels, 0.5, [7]).watched)


@pytest.mark.parametrize("design", [*DESIGNS, {"splits": 1}, {"splits": 2, "full_seeds": 1}], ids=str)
@pytest.mark.parametrize("grouped", [False, True])
def test_members_are_others_where_their_rows_are_and_nowhere_else(design: dict[str, Any], grouped: bool) -> None:
    """What images have is what tables had: their members, and those of groups, are known again."""
    folded = design.get("design") == "folds"
    data = made(table(480), group="who", folds=folded) if grouped else in_order(folded)
    blind = {"patience": 2, "validation_share": 0, "monitor": "loss"}
    asked = sweep(**design, early_stopping=["off", RULE, blind], grid="l2,early_stopping")
    images = data._replace(examples_are="images")
    assert not images.draws_watched and data.draws_watched is not grouped
    pairs = zip(prepared(asked, data), prepared(asked, images), strict=True)
    changed = 0
    for here, there in pairs:
        assert here.member == there.member
        same = all(np.array_equal(*sides) for sides in ((here.rows, there.rows), (here.validation, there.validation)))
        keys = [key(here.member, asked, "digest", of.draws_watched).fingerprint for of in (data, images)]
        assert (keys[0] == keys[1]) is same
        assert keys[1] == key(here.member, asked, "digest").fingerprint
        changed += not same
    in_file_order = "design" in design or design["splits"] == 1 or "full_seeds" in design
    assert (changed > 0) is (in_file_order and not grouped)


def test_who_starts_from_a_member_with_other_rows_is_another() -> None:
    runs = [{"name": "first", "early_stopping": RULE}, {"name": "second", "after": "first"}]
    asked = read({"design": "holdout", "splits": 1, "run": runs})
    one = members(asked)[-1]
    assert one.predecessor and one.settings.early_stopping is None
    assert key(one, asked, "digest", True).fingerprint != key(one, asked, "digest").fingerprint


def test_they_train_and_are_watched(train) -> None:
    found = train(sweep(splits=2, full_seeds=1), data=made(table(480), group="who"))
    assert {member.split("/")[1] for member in found} == {"split0", "split1", "all"}
    assert all(np.isfinite(row["val_loss"]) for member in found.values() for row in member.history)


def test_another_group_is_another_member() -> None:
    """Which column holds rows together decides who is trained on what: nothing stored is taken for it."""
    one, other, none = (sweep(**more) for more in ({"group": "who"}, {"group": "ward"}, {}))
    prints = {key(next(iter(members(asked))), asked, "digest").fingerprint for asked in (one, other, none)}
    assert len(prints) == 3


def test_one_group_alone_is_said() -> None:
    rows = np.arange(6)
    with pytest.raises(UserError, match="all 6 rows of a split are of one group"):
        validation_groups([rows], np.zeros(6, int), 0.2, 0)
    data, asked = made(table(480), group="who"), sweep(train_examples=[4], grid="l2,train_examples", splits=2)
    with pytest.raises(UserError, match="of so few train_examples none is left on one side"):
        grouping.prepare(members(asked), asked, data)
