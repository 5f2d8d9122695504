"""One member's functions: pure, batched by nobody but `programs`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_member import evaluated, hyper, learner, placed

from jaxreg.engine import training
from jaxreg.engine.grouping import in_batches

LEARNER = learner(hidden=[8], batch_norm=True)


@pytest.fixture(scope="module")
def epoch(dataset):
    """One epoch, compiled once for orders of one shape: 5 batches of 8."""
    data = placed(dataset.train)
    compiled = jax.jit(lambda hyper, state, order: training.train_epoch(LEARNER, hyper, state, order, data))
    return lambda hyper, state, order: compiled(hyper, state, jnp.asarray(order))


@pytest.fixture(scope="module")
def start():
    return training.start(LEARNER, hyper())


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True))


def test_padding_counts_for_nothing(dataset, start, float64):
    """A last batch of 3 rows and 5 of padding trains like a batch of 3: loss, weights and batch statistics.

    In double precision: Adam's first step divides each gradient by its own size, noise of 1e-9 included.
    """
    start = training.restart(LEARNER, hyper(), jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), start.weights))
    data = placed(dataset.train)
    rows = jnp.array([[7, 100, 42]])
    padded = jnp.array([[7, 100, 42, -1, -1, -1, -1, -1]])
    (short, short_loss), (long, long_loss) = (
        training.train_epoch(LEARNER, hyper(l2=1e-3), start, order, data) for order in (rows, padded)
    )
    np.testing.assert_allclose(short_loss, long_loss, rtol=1e-6)
    for one, other in zip(*map(jax.tree.leaves, (short.weights, long.weights)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_partial_batch_is_trained_on(epoch, start):
    """Another row in the last, short batch gives other weights."""
    one = in_batches(np.arange(37), 8)
    other = one.copy()
    other[-1, 4] = 150
    assert one[-1].tolist() == [32, 33, 34, 35, 36, -1, -1, -1]
    assert not same(epoch(hyper(), start, one)[0].weights, epoch(hyper(), start, other)[0].weights)


def test_the_loss_of_an_epoch_weighs_batches_by_their_rows(dataset, start):
    data = placed(dataset.train)
    order, state, losses = in_batches(np.arange(37), 8), start, []
    step = jax.jit(lambda state, batch: training.train_epoch(LEARNER, hyper(l1=1e-4), state, batch, data))
    for batch in order:
        state, loss = step(state, jnp.asarray(batch[None]))
        losses.append(loss)
    _, whole = training.train_epoch(LEARNER, hyper(l1=1e-4), start, jnp.asarray(order), data)
    for name in ("error", "penalty"):
        mean = np.average([getattr(loss, name) for loss in losses], weights=[8, 8, 8, 8, 5])
        np.testing.assert_allclose(getattr(whole, name), mean, rtol=1e-5)


def test_strengths_are_no_new_program(epoch, start):
    order = in_batches(np.arange(37), 8)
    epoch(hyper(), start, order)
    before = training.traces.copy()
    for strength in (1e-9, 1e-3, 1.0):
        epoch(hyper(l1=strength, l2=strength, identity=(9, 9, 9, 0)), start, order)
    assert training.traces == before


@pytest.mark.parametrize("place", range(3))
def test_sweep_split_and_seed_each_give_other_weights(start, place):
    identity = [1, 2, 3, 0]
    identity[place] += 1
    other = training.start(LEARNER, hyper(identity=identity))
    assert not same(start.weights.params["hidden_0"], other.weights.params["hidden_0"])
    assert same(start, training.start(LEARNER, hyper(l1=3.0, l2=1.0))), "strengths do not matter to it"


def test_restart_keeps_weights_and_forgets_moments(epoch, start):
    state, _ = epoch(hyper(), start, in_batches(np.arange(37), 8))
    anew = training.restart(LEARNER, hyper(), state.weights)
    assert same(anew.weights, state.weights)
    assert same(anew[1:], start[1:]) and not same(state[1:], start[1:])


def test_a_stopped_member_stays_bit_for_bit(dataset, start):
    data = placed(dataset.train)
    order = jnp.asarray(in_batches(np.arange(37), 8))
    state, losses = jax.jit(lambda: training.rest(LEARNER, hyper(), start, order, data))()
    assert same(state, start) and np.isnan(losses.error)
    shapes = jax.eval_shape(lambda: training.train_epoch(LEARNER, hyper(), start, order, data))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (state, losses)) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), shapes
    ), "else the two could not stand in for each other"


def test_few_rows_in_a_program_for_many(dataset, start):
    """Batches of nothing after those that count are not predicted, and do not count."""
    data, batches = placed(dataset.test), in_batches(np.arange(37), 10)
    longer = np.concatenate([batches, np.full((5, 10), -1)])
    found, predictions = evaluated(LEARNER, hyper(), start.weights, jnp.asarray(batches), data)
    padded = training.predict(LEARNER, hyper(), start.weights, jnp.asarray(longer), jnp.int32(4), data)
    np.testing.assert_array_equal(padded[:40], predictions)
    assert not np.any(padded[40:])
    assert same(training.score(LEARNER, hyper(), start.weights, padded, jnp.asarray(batches.reshape(-1)), data), found)


def test_evaluation_by_definition(dataset, start):
    data = placed(dataset.test)
    rows = np.random.default_rng(0).permutation(100)[:77]
    found, predictions = evaluated(LEARNER, hyper(), start.weights, jnp.asarray(in_batches(rows, 10)), data)
    log_p = np.asarray(predictions)[:77]
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-5)
    truth = dataset.test.targets[rows]
    np.testing.assert_allclose(found.error, -log_p[np.arange(77), truth].mean(), rtol=1e-5)
    np.testing.assert_allclose(found.score, (log_p.argmax(axis=1) == truth).mean(), rtol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"l1_exact": 1e-3, "max_norm": 3.0, "input_noise": 0.1, "loss": "squared", "schedule": "cosine"},
        {"l1_exact": 1e-3, "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "biases": False},
    ],
    ids=["plain", "adam", "nesterov"],
)
def test_shapes_never_broadcast_by_accident(dataset, more):
    """No array is silently given another rank anywhere in a member's functions."""
    data = placed(dataset.train)
    order = jnp.asarray(in_batches(np.arange(37), 8))
    given = {"hidden": [8, 6], "batch_norm": True, "dropout": [0.3, 0.5], **more}
    everything, chosen = learner(**given), hyper(**given)
    with jax.numpy_rank_promotion("raise"):
        state = jax.eval_shape(lambda: training.start(everything, chosen))
        jax.eval_shape(lambda s: training.train_epoch(everything, chosen, s, order, data), state)
        jax.eval_shape(lambda s: evaluated(everything, chosen, s.weights, order, data), state)
