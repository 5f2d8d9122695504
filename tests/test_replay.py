"""A member of a folder, trained again alone, is compared with what is there."""

from __future__ import annotations

import numpy as np
import pytest
from sweeps_that_grow import RUNS, grown

import jaxreg
from jaxreg.data.dataset import Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.replay import replay
from jaxreg.spec.members import members
from jaxreg.store.identity import key
from jaxreg.store.members import MemberResult, StoredMembers


def test_a_member_replayed_alone_is_the_same_bit_for_bit(trained, dataset, tmp_path):
    run, _ = trained
    folder = run(grown(runs=RUNS), tmp_path / "run")
    for name in ("l1=1e-4/split1/seed0", "stops/split0/seed0", "follows/split1/seed0"):
        found = replay(folder, name, devices=2, dataset=dataset)
        assert found.same and found.text.startswith(f"{name}: the same, bit for bit"), found.text


def test_a_replay_that_differs_says_in_what_and_why_that_may_be(trained, dataset, tmp_path):
    run, _ = trained
    folder, name = run(grown(), tmp_path / "run"), "l1=1e-4/split1/seed0"
    other = replay(folder, name, block=1, devices=2, dataset=dataset)
    assert not other.same and "members of 8 15 side by side" in other.text and "as asked for here" in other.text
    store = StoredMembers(folder / "members")
    (mine,) = (key(member, grown(), dataset.digest) for member in members(grown()) if member.id == name)
    content, predictions = store.read(mine), store.predictions([mine])[[0], slice(None)][0]
    row = content.row | {"test_accuracy": 0.5}
    store.keep(mine, MemberResult(name, row, content.history, predictions), content.made, False)
    found = replay(folder, name, devices=2, dataset=dataset)
    assert not found.same and "test_accuracy: 0.5 there" in found.text and "this is a fault" in found.text


def test_a_replay_of_quantities_speaks_of_quantities(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 2))
    data = of_arrays((x, x.sum(1)), Reading(folds=False))
    flags = {
        "grid": "l2",
        "l2": [0, 0.1],
        "splits": 2,
        "second_stage": 0,
        "epochs": 2,
        "hidden": [4],
        "loss": "squared",
    }
    asked, name = jaxreg.load(flags=flags), "plain/split1/seed0"
    folder = jaxreg.run(asked, dataset=data, out=tmp_path / "run", devices=2, report=False).folder
    assert replay(folder, name, devices=2, dataset=data).same
    store = StoredMembers(folder / "members")
    (mine,) = (key(member, asked, data.digest) for member in members(asked) if member.id == name)
    content, predictions = store.read(mine), store.predictions([mine])[[0], slice(None)][0]
    store.keep(mine, MemberResult(name, content.row, content.history, predictions + 0.5), content.made, False)
    found = replay(folder, name, devices=2, dataset=data)
    assert not found.same and "standardised quantities differ by 0.50 at most, by 0.50 on average" in found.text


@pytest.mark.parametrize(("name", "said"), [("l1=1e-4/split9/seed0", "Did you mean"), ("x", "unknown member")])
def test_a_replay_of_nobody_is_told(trained, dataset, tmp_path, name, said):
    run, _ = trained
    folder = run(grown(), tmp_path / "run")
    with pytest.raises(jaxreg.UserError, match=said):
        replay(folder, name, dataset=dataset)
    with pytest.raises(jaxreg.UserError, match=r"no run\.json"):
        replay(tmp_path, name, dataset=dataset)
