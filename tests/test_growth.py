"""A folder grows: what one run of the larger sweep would have written, and only what is new is trained."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_folders import differing, tables
from sweeps_that_grow import RUNS, grown

from jaxreg.spec.members import members

SIZES = st.fixed_dictionaries(
    {
        "strengths": st.integers(1, 2),
        "seeds": st.integers(1, 2),
        "full_seeds": st.integers(0, 1),
        "epochs": st.integers(1, 3),
        "axes": st.sampled_from([("l1",), ("l1", "l2")]),
        "deals": st.integers(1, 2),
        "runs": st.integers(0, 3).map(lambda count: RUNS[:count]),
    }
)


def stored(folder):
    return {file.name: file.stat().st_mtime_ns for file in (folder / "members").iterdir()}


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(path=st.lists(SIZES, min_size=2, max_size=3), keep_state=st.booleans())
def test_any_path_ends_as_its_last_sweep_alone(trained, tmp_path_factory, path, keep_state):
    """Larger and smaller in any order; nothing that was trained is written again, and nothing goes."""
    run, undisturbed = trained
    folder, before = tmp_path_factory.mktemp("grown") / "run", {}
    for sizes in path:
        run(grown(**sizes), folder, keep_state=keep_state)
        assert differing(tables(folder), undisturbed(grown(**sizes))) == []
        now = stored(folder)
        assert {name: now[name] for name in before if ".state" not in name} == {
            name: time for name, time in before.items() if ".state" not in name
        }
        before = now


@pytest.mark.parametrize(
    "larger",
    [{"seeds": 2}, {"full_seeds": 1}, {"strengths": 2}, {"axes": ("l1", "l2")}, {"deals": 2}, {"runs": RUNS[1:]}],
)
def test_only_what_is_new_is_trained(trained, tmp_path, larger, monkeypatch):
    run, undisturbed = trained
    folder = run(grown(), tmp_path / "run")
    small, large = ({member.id for member in members(sweep)} for sweep in (grown(), grown(**larger)))
    asked = []
    from jaxreg.engine.trainer import Trainer

    train = Trainer.train

    def heard(self, members, *others):
        asked.extend(member.id for member in members)
        return train(self, members, *others)

    monkeypatch.setattr(Trainer, "train", heard)
    run(grown(**larger), folder)
    needed = {"plain/split0/seed0", "plain/split1/seed0"} if "runs" in larger else set()  # whose weights were not kept
    assert set(asked) == (large - small) | needed
    assert differing(tables(folder), undisturbed(grown(**larger))) == []


def test_a_smaller_sweep_reports_on_itself_and_deletes_nothing(trained, tmp_path, monkeypatch):
    run, undisturbed = trained
    small, large = grown(), grown(seeds=2, axes=("l1", "l2"))
    expected = undisturbed(small), undisturbed(large)
    folder = run(large, tmp_path / "run")
    before = stored(folder)
    monkeypatch.setattr("jaxreg.engine.trainer.Trainer", None)
    for sweep, alone in zip((small, large), expected, strict=True):
        run(sweep, folder)
        assert differing(tables(folder), alone) == []
        assert stored(folder) == before


def test_members_of_several_folders_may_be_put_into_one(small, trained, tmp_path, monkeypatch):
    """As where several drivers have each a part of the cells."""
    run, undisturbed = trained
    whole = small(l1=[0.0, 1e-4, 1e-3])
    expected = undisturbed(whole)
    for name, other in (("a", 1e-4), ("b", 1e-3)):
        folder = run(small(l1=[0.0, other]), tmp_path / name)
        shutil.copytree(folder / "members", tmp_path / "together" / "members", dirs_exist_ok=True)
    monkeypatch.setattr("jaxreg.engine.trainer.Trainer", None)  # nobody is trained
    assert differing(tables(run(whole, tmp_path / "together")), expected) == []
