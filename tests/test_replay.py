"""A member of a folder, trained again alone, is compared with what is there."""

from __future__ import annotations

import pytest
from sweeps_that_grow import RUNS, grown

import jaxreg
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
    assert not other.same and "members of 8 16 side by side" in other.text and "as asked for here" in other.text
    store = StoredMembers(folder / "members")
    (mine,) = (key(member, grown(), dataset.digest) for member in members(grown()) if member.id == name)
    content, predictions = store.read(mine), store.predictions([mine])[[0], slice(None)][0]
    row = content.row | {"test_accuracy": 0.5}
    store.keep(mine, MemberResult(name, row, content.history, predictions), content.made, False)
    found = replay(folder, name, devices=2, dataset=dataset)
    assert not found.same and "test_accuracy: 0.5 there" in found.text and "this is a fault" in found.text


@pytest.mark.parametrize(("name", "said"), [("l1=1e-4/split9/seed0", "Did you mean"), ("x", "unknown member")])
def test_a_replay_of_nobody_is_told(trained, dataset, tmp_path, name, said):
    run, _ = trained
    folder = run(grown(), tmp_path / "run")
    with pytest.raises(jaxreg.UserError, match=said):
        replay(folder, name, dataset=dataset)
    with pytest.raises(jaxreg.UserError, match=r"no run\.json"):
        replay(tmp_path, name, dataset=dataset)
