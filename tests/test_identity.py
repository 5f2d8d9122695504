"""What decides a member's numbers is in its fingerprint; what does not is not."""

from __future__ import annotations

import pytest

from jaxreg.axes import AXES
from jaxreg.spec.members import members
from jaxreg.store.identity import key

OTHER = {"hidden": [4], "width": 2.0, "batch_norm": True, "scaling": "raw", "network": "mynets:wide"}


def first(sweep, digest="abc"):
    return key(members(sweep)[0], sweep, digest)


@pytest.mark.parametrize(
    "other",
    [
        *({axis.field: OTHER[axis.field] if axis.field in OTHER else axis.values[-2]} for axis in AXES.values()),
        {"epochs": 3},
        {"seed": 5},
        {"splits": 3},
        {"curve_images": 50},
        {"optimizer": {"name": "sgd", "momentum": 0.9}},
        {"precision": "bf16"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_changes_numbers_changes_the_fingerprint(small, other):
    other = {name: list(value) if isinstance(value, tuple) else value for name, value in other.items()}
    assert first(small(**other)).fingerprint != first(small()).fingerprint


def test_other_data_is_another_fingerprint(small):
    assert first(small(), "abc").fingerprint != first(small(), "abd").fingerprint


def test_all_members_of_a_sweep_differ(small):
    sweep = small(l1=[0.0, 1e-4], seeds=2, full_seeds=2)
    assert len({key(member, sweep, "abc").fingerprint for member in members(sweep)}) == len(members(sweep)) == 12


@pytest.mark.parametrize(
    "other", [{"name": "another"}, {"seeds": 3}, {"full_seeds": 1}, {"l1": [0.0, 1.0]}, {"data": "x"}]
)
def test_who_else_is_trained_changes_nothing(small, other):
    assert first(small(**other)).fingerprint == first(small()).fingerprint


def test_members_on_everything_do_not_depend_on_the_splits(small):
    one, other = small(full_seeds=1, splits=2), small(full_seeds=1, splits=4)
    keys = [key(members(sweep)[-1], sweep, "abc") for sweep in (one, other)]
    assert keys[0].id == "plain/all/seed0" and keys[0].fingerprint == keys[1].fingerprint


def test_a_follower_depends_on_whom_it_follows(small):
    def follower(epochs):
        sweep = small(run=[{"name": "first", "epochs": epochs}, {"name": "second", "after": "first"}])
        return key(members(sweep)[-1], sweep, "abc")

    assert follower(2).id == follower(3).id == "second/split1/seed0"
    assert follower(2).fingerprint != follower(3).fingerprint
    assert follower(2).lineage != follower(3).lineage


def test_a_lineage_is_the_same_at_any_number_of_epochs_but_for_schedules_that_stretch(small):
    def lineage(epochs, schedule):
        return first(small(epochs=epochs, schedule=schedule)).lineage

    for schedule in ("constant", {"name": "step", "epochs": [1]}):
        assert lineage(2, schedule) == lineage(7, schedule)
    assert lineage(2, "cosine") != lineage(7, "cosine")
    assert first(small(l1=[0.0])).lineage != first(small(l2=[1.0])).lineage


def test_a_setting_that_is_added_later_leaves_fingerprints_as_they_are(small):
    """Only what is not as usual is in them. This one is of a folder that somebody has."""
    sweep = small(learning_rate=0.01)
    assert first(sweep).identity == {
        "numerics": 1,
        "data": "abc",
        "curve_images": 2000,
        "sweep_seed": 0,
        "splits": 2,
        "split": 0,
        "seed": 0,
        "settings": {"hidden": [8], "epochs": 2, "learning_rate": 0.01},
        "after": None,
    }
    assert first(sweep).fingerprint == "dd5ad97ca96be96ee6d25e7e81413302ad24458d753df1a2680ac64ee614bbe5"
