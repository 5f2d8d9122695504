"""A folder grows: what one run of the larger sweep would have written, and only what is new is trained."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_folders import differing, tables

import jaxreg
from jaxreg.engine.progress import Lines, Silent
from jaxreg.spec.load import read
from jaxreg.spec.members import members
from jaxreg.store.identity import key

STRENGTHS = [1e-4, 1e-3, 1e-2]


class Told(Silent):
    """What was said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def announce(self, text):
        self.said.append(text)

    warn = announce


def grown(name="grown", strengths=1, seeds=1, full_seeds=0, epochs=2, axes=("l1",), runs=(), deals=None):
    """A sweep; a larger argument is a larger sweep."""
    values = {axis: [0.0, *STRENGTHS[:strengths]] for axis in axes}
    top = {"name": name, "splits": 2, "seeds": seeds, "full_seeds": full_seeds} | ({"deals": deals} if deals else {})
    recipe = {"hidden": [8], "epochs": epochs, "batch_size": 50}
    return read({**top, "grid": ",".join(axes), "axes": values, "recipe": recipe, "run": list(runs)})


RUNS = (
    {"name": "stops", "epochs": 4, "learning_rate": 0.5, "early_stopping": {"patience": 1, "validation_share": 0.2}},
    {"name": "follows", "after": "plain", "epochs": 1},
    {"name": "momentum", "optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}},
)
SIZES = st.fixed_dictionaries(
    {
        "strengths": st.integers(1, 2),
        "seeds": st.integers(1, 2),
        "full_seeds": st.integers(0, 1),
        "epochs": st.integers(1, 3),
        "axes": st.sampled_from([("l1",), ("l1", "l2")]),
        "runs": st.integers(0, 3).map(lambda count: RUNS[:count]),
    }
)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """Runs a sweep in a folder without its report; the same sweep in a folder of its own, once."""
    alone = {}

    def run(sweep, out, progress=None, **how):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("jaxreg.report.page.write", lambda folder: folder)
            return jaxreg.run(sweep, out=out, dataset=dataset, devices=2, progress=progress, **how).folder

    def undisturbed(sweep):
        name = json.dumps(sweep.resolved())
        if name not in alone:
            alone[name] = tables(run(sweep, tmp_path_factory.mktemp("alone") / "run"))
        return alone[name]

    return run, undisturbed


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
    "larger", [{"seeds": 2}, {"full_seeds": 1}, {"strengths": 2}, {"axes": ("l1", "l2")}, {"runs": RUNS[1:]}]
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


RULES = [
    {},
    {"name": "nesterov", "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}},
    {"name": "batch_norm", "batch_norm": True, "dropout": 0.2, "input_noise": 0.1},
    {"name": "drops", "schedule": {"name": "step", "epochs": [2]}},
    {"name": "patient", "early_stopping": {"patience": 2, "validation_share": 0.2, "restore_best_weights": True}},
]


def test_more_epochs_go_on_where_the_state_was_kept(trained, small, tmp_path):
    """Weights, optimizer, running statistics, patience, best weights: as a run of that length from the start."""
    run, undisturbed = trained
    told = Told()
    folder = run(small(run=RULES, epochs=2), tmp_path / "run", keep_state=True)
    run(small(run=RULES, epochs=5), folder, told)
    assert differing(tables(folder), undisturbed(small(run=RULES, epochs=5))) == []
    assert f"{2 * len(RULES)} members go on from where their training had got to" in told.said
    assert not any("anew" in text for text in told.said)


def test_where_nothing_was_kept_it_says_what_is_trained_anew(trained, small, tmp_path):
    run, undisturbed = trained
    told = Told()
    folder = run(small(epochs=2), tmp_path / "run")
    run(small(epochs=3), folder, told)
    (said,) = (text for text in told.said if "anew" in text)
    assert "2 members are trained anew" in said and "about 10 s" in said and "--keep-state" in said
    assert differing(tables(folder), undisturbed(small(epochs=3))) == []


def test_a_schedule_that_stretches_and_a_follower_train_anew(trained, small, tmp_path):
    run, undisturbed = trained
    runs = [{"name": "cosine", "schedule": "cosine"}, {"name": "plain"}, {"name": "next", "after": "plain"}]
    folder = run(small(run=runs, epochs=2), tmp_path / "run", keep_state=True)
    told = Told()
    run(small(run=runs, epochs=4), folder, told)
    assert "2 members go on from where their training had got to" in told.said
    assert differing(tables(folder), undisturbed(small(run=runs, epochs=4))) == []


def test_who_had_ended_before_its_epochs_did_has_ended_with_more(trained, small, tmp_path, monkeypatch):
    """Stopped or diverged: nothing is left to train."""
    run, undisturbed = trained
    broken = {"name": "broken", "learning_rate": 1e30, "scaling": "raw"}
    runs = [{**RUNS[0], "learning_rate": 5.0}, broken]
    longer = [one | {"epochs": 14} for one in runs]
    folder = run(small(run=[one | {"epochs": 12} for one in runs]), tmp_path / "run")
    rows = jaxreg.Run(folder).members
    assert rows[["stopped_at", "diverged_at"]].notna().any(axis=1).all(), "else the test says nothing"
    monkeypatch.setattr("jaxreg.engine.trainer.Trainer", None)
    run(small(run=longer), folder)
    monkeypatch.undo()
    assert differing(tables(folder), undisturbed(small(run=longer))) == []


def test_a_state_that_is_damaged_is_not_believed(trained, small, tmp_path):
    run, undisturbed = trained
    folder = run(small(epochs=2), tmp_path / "run", keep_state=True)
    for number, file in enumerate(sorted((folder / "members").glob("*.state.npz"))):
        content = file.read_bytes()
        file.write_bytes(content[:100] if number else content[:-300] + bytes(300))
    run(small(epochs=3), folder)
    assert differing(tables(folder), undisturbed(small(epochs=3))) == []


class Impatient(Lines):
    """Interrupts after so many reports of progress."""

    def __init__(self, reports):
        super().__init__(sys.stderr, quiet=True)
        self.left = reports

    def advance(self, *_):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("reports", [1, 2, 4, 6])
def test_a_long_member_goes_on_from_its_saved_place(trained, small, tmp_path, monkeypatch, reports):
    """Saved after every epoch here; stopped in the middle of members, it loses only the epochs under way."""
    run, undisturbed = trained
    sweep = small(run=RULES[3:], epochs=6)
    monkeypatch.setattr("jaxreg.engine.trainer.SAVED_EVERY", 0.0)
    with pytest.raises(jaxreg.errors.Interrupted):
        run(sweep, tmp_path / "run", Impatient(reports))
    told = Told()
    run(sweep, tmp_path / "run", told)
    assert differing(tables(tmp_path / "run"), undisturbed(sweep)) == []
    assert not list((tmp_path / "run" / "members").glob("*.state.npz")), "no place is kept of who has ended"
    assert any("go on from where" in text for text in told.said) == (reports > 1)


def test_a_member_replayed_alone_is_the_same_bit_for_bit(trained, dataset, tmp_path):
    from jaxreg.replay import replay

    run, _ = trained
    folder = run(grown(runs=RUNS), tmp_path / "run")
    for name in ("l1=1e-4/split1/seed0", "stops/split0/seed0", "follows/split1/seed0"):
        found = replay(folder, name, devices=2, dataset=dataset)
        assert found.same and found.text.startswith(f"{name}: the same, bit for bit"), found.text


def test_a_replay_that_differs_says_in_what_and_why_that_may_be(trained, dataset, tmp_path):
    from jaxreg.replay import replay
    from jaxreg.store.members import MemberResult, StoredMembers

    run, _ = trained
    folder, name = run(grown(), tmp_path / "run"), "l1=1e-4/split1/seed0"
    other = replay(folder, name, block=1, devices=2, dataset=dataset)
    assert not other.same and "members of 8 8 side by side" in other.text and "as asked for here" in other.text
    store = StoredMembers(folder / "members")
    (mine,) = (key(member, grown(), dataset.digest) for member in members(grown()) if member.id == name)
    content, predictions = store.read(mine), store.predictions([mine])[[0], slice(None)][0]
    row = content.row | {"test_accuracy": 0.5}
    store.keep(mine, MemberResult(name, row, content.history, predictions), content.made, False)
    found = replay(folder, name, devices=2, dataset=dataset)
    assert not found.same and "test_accuracy: 0.5 there" in found.text and "this is a fault" in found.text


@pytest.mark.parametrize(("name", "said"), [("l1=1e-4/split9/seed0", "Did you mean"), ("x", "unknown member")])
def test_a_replay_of_nobody_is_told(trained, dataset, tmp_path, name, said):
    from jaxreg.replay import replay

    run, _ = trained
    folder = run(grown(), tmp_path / "run")
    with pytest.raises(jaxreg.UserError, match=said):
        replay(folder, name, dataset=dataset)
    with pytest.raises(jaxreg.UserError, match=r"no run\.json"):
        replay(tmp_path, name, dataset=dataset)
