"""A member goes on from where its training had got to: with more epochs, and after it was stopped."""

from __future__ import annotations

import sys

import pytest
from run_folders import differing, tables
from sweeps_that_grow import RUNS, Told

import jaxreg
from jaxreg.engine.progress import Lines

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
