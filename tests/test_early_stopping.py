"""Early stopping against Keras's callback, and what stopping does to a member and its neighbours."""

from __future__ import annotations

import math
import types
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_member import hyper, learner

from jaxreg.engine.early_stopping import after_epoch, begin, rule
from jaxreg.engine.networks import Weights
from jaxreg.engine.penalties import WeightNorms
from jaxreg.engine.progress import Silent
from jaxreg.engine.training import EpochLosses, Evaluation
from jaxreg.spec.rules import EarlyStopping

GRID = st.integers(0, 6).map(lambda n: n / 4)  # few values, so that ties and steps of exactly min_delta occur
VALUES = st.lists(st.one_of(GRID, st.just(math.nan)), min_size=1, max_size=12)
RULES = st.builds(
    EarlyStopping,
    monitor=st.sampled_from(["val_loss", "val_accuracy", "loss"]),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 0.25, 0.5]),
    start_from_epoch=st.integers(0, 5),
)

LEARNER = learner(hidden=[8])


def scores(loss=0.0, accuracy=0.0):
    return Evaluation(*map(np.float32, (loss, loss, accuracy)), WeightNorms(np.float32(0), np.float32(0)))


@jax.jit
def after(rule, standing, weights, losses, validated):
    return after_epoch(LEARNER, hyper(), rule, standing, weights, losses, scores(), validated)


def ours(stopping, values):
    """(epoch of the stop, epoch of the best weights), each None where there is none."""
    own = rule(99, stopping.model_copy(update={"restore_best_weights": True}))
    standing = begin(LEARNER, Weights(jnp.int32(-1), {}), jnp.bool_(True))
    for epoch, value in enumerate(values):
        losses = EpochLosses(*map(np.float32, (value if stopping.monitor == "loss" else 0, 0, 0)))
        validated = scores(value, value)
        standing, verdict = after(own, standing, Weights(jnp.int32(epoch), {}), losses, validated)
        if verdict.stopped:
            assert not standing.active
            break
    best = int(standing.kept.params) if standing.has_best else None
    return (epoch if verdict.stopped else None), best


def theirs(keras, rule, values):
    """The same of Keras's callback, on a model whose weights are the number of the epoch."""
    callback = keras.callbacks.EarlyStopping(
        monitor=rule.monitor,
        patience=rule.patience,
        min_delta=rule.min_delta,
        mode="max" if rule.monitor.endswith("accuracy") else "min",
        restore_best_weights=True,
        start_from_epoch=rule.start_from_epoch,
    )
    model = types.SimpleNamespace(weights=None, stop_training=False)
    model.get_weights = lambda: model.weights
    model.set_weights = lambda weights: setattr(model, "restored", weights)
    callback.set_model(model)
    callback.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        model.weights = epoch
        callback.on_epoch_end(epoch, {rule.monitor: value})
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return stopped, getattr(model, "restored", None)


@given(RULES, VALUES)
def test_stops_and_restores_where_keras_does(stopping, values):
    """Of a training loss that is not a number a member has diverged, so such are left to the validation data."""
    keras = pytest.importorskip("keras")
    if stopping.monitor == "loss":
        values = [value for value in values if not math.isnan(value)] or [0.0]
    assert ours(stopping, values) == theirs(keras, stopping, values)


def test_nothing_to_monitor_stops_nothing():
    """As in Keras, where it is a warning an epoch and nothing else."""
    keras = pytest.importorskip("keras")
    stopping = EarlyStopping(patience=0, validation_share=0.0, restore_best_weights=True)
    assert stopping.watches_nothing
    assert ours(stopping, [1.0] * 5) == (None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback = keras.callbacks.EarlyStopping(patience=0, restore_best_weights=True, mode="min")
        callback.set_model(types.SimpleNamespace(stop_training=False))
        callback.on_train_begin()
        for epoch in range(5):
            callback.on_epoch_end(epoch, {"loss": 1.0})
    assert not callback.model.stop_training and callback.best_weights is None


RULE = {"patience": 1, "min_delta": 0.5, "validation_share": 0.2}  # nothing gains so much in an epoch: stops after 2


@pytest.fixture(scope="module")
def stopped(train, small):
    """Members on two devices, of which one stops early, and the same ones without it."""
    rules = {
        "early": RULE,
        "late": RULE | {"min_delta": 0.0, "patience": 9},
    }
    runs = [{"name": name, "early_stopping": rule} for name, rule in rules.items()]
    return train(small(run=runs, epochs=4)), train(small(run=runs[1:], epochs=4))


def test_a_member_stops_by_itself(stopped):
    both, alone = stopped
    for split in range(2):
        early, late = both[f"early/split{split}/seed0"], both[f"late/split{split}/seed0"]
        assert early.row["stopped_at"] == early.row["epochs"] == len(early.history) < 4
        assert late.row["stopped_at"] is None and late.row["epochs"] == 4
        assert early.history == late.history[: len(early.history)], "until then they are the same"
        assert early.row["test_cross_entropy"] == early.history[-1]["test_cross_entropy"]


def test_an_epoch_that_nobody_trained_is_not_told(train, small):
    """The last one, under way when the last member stopped, has no loss; "not finite" is said of those that diverge."""

    class Told(Silent):
        losses: list[float] = []  # noqa: RUF012 - of the one there is

        def advance(self, member_epochs, label, loss, diverged=0):
            self.losses.append(loss)

    finished = train(small(run=[{"name": "early", "early_stopping": RULE}], epochs=3), progress=Told())
    assert all(member.row["epochs"] == 2 for member in finished.values())
    assert Told.losses and all(map(math.isfinite, Told.losses))


def test_its_neighbours_do_not_notice(stopped):
    both, alone = stopped
    for name, member in alone.items():
        assert both[name].history == member.history
        np.testing.assert_array_equal(both[name].predictions, member.predictions)


def test_training_and_validation_share_nothing(small, dataset):
    from jaxreg.engine import grouping
    from jaxreg.spec.members import members

    sweep = small(early_stopping=RULE)
    for group in grouping.prepare(members(sweep), sweep, dataset).values():
        for prepared in group:
            assert prepared.validation.size == 20 and prepared.rows.size == 80
            assert not set(prepared.rows) & set(prepared.validation)


def test_val_loss_has_the_penalty_in(train, small):
    """As Keras's has: a strength so large that the cross-entropy hardly counts."""
    (member, _) = train(small(early_stopping=RULE | {"patience": 9}, l1=10.0, epochs=2)).values()
    for row in member.history:
        assert row["val_loss"] > 50 > row["test_cross_entropy"]


@pytest.mark.parametrize("patience", [0, 9])
def test_best_weights_come_back(train, small, patience):
    """A huge learning rate makes the losses go up and down; what is kept is the best epoch."""
    rule = {"patience": patience, "validation_share": 0.2, "restore_best_weights": True}
    finished = train(small(early_stopping=rule, learning_rate=0.5, epochs=6, seeds=3))
    kept_last = 0
    for member in finished.values():
        best = min(member.history, key=lambda row: row["val_loss"])
        assert member.row["test_cross_entropy"] == best["test_cross_entropy"]
        kept_last += best is member.history[-1]
    assert kept_last < len(finished), "else the test says nothing"


@pytest.mark.parametrize("rule", [{"validation_share": 0.0}, {"start_from_epoch": 5}])
def test_without_a_best_epoch_the_last_weights_stay(train, small, rule):
    """The notebook's early stopping had nothing to monitor; all its epochs ran and counted."""
    sweep = small(early_stopping={"restore_best_weights": True, **rule})
    for member in train(sweep).values():
        assert member.row["epochs"] == 2 and member.row["stopped_at"] is None
        assert member.row["test_cross_entropy"] == member.history[-1]["test_cross_entropy"]


def test_nothing_to_monitor_trains_as_without_early_stopping(train, small):
    """The same numbers, and one warning for the sweep."""
    sweep = small(early_stopping={"validation_share": 0.0})
    assert len(sweep.warnings) >= 1 and any("early_stopping" in text for text in sweep.warnings)
    watched, plain = train(sweep), train(small())
    for mine, other in zip(watched.values(), plain.values(), strict=True):
        assert mine.history == other.history
