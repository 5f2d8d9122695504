"""Rows that belong together stay on one side of what early stopping holds back too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_tables import made, table

from jaxreg.data.splits import nested_rows, split_rows
from jaxreg.data.validation import validation_groups, validation_share
from jaxreg.engine import grouping
from jaxreg.errors import UserError
from jaxreg.spec.load import load
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


def test_without_groups_the_rows_are_the_last_of_each_class() -> None:
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
