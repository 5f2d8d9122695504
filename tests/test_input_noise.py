"""Noise on the inputs: its law, and that it is of training alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_member import evaluated, hyper, learner, placed

from jaxreg.data.dataset import Part
from jaxreg.engine import training

STILL = 1e-30  # a learning rate at which no weight moves
NOISY = learner(hidden=[8], input_noise=0.1)
SD, DRAWS, ROWS = 0.3, 600, 25


@pytest.fixture(scope="module")
def data(dataset):
    return placed(dataset.train)


@pytest.fixture(scope="module")
def state():
    """Weights three times as large as at the start, so that noise matters."""
    state = training.start(NOISY, hyper())
    return training.restart(NOISY, hyper(), jax.tree.map(lambda leaf: 3 * leaf, state.weights))


@pytest.fixture(scope="module")
def cross_entropy(data, state):
    """Of an epoch of the same 25 rows in every step, weights at rest."""
    order = jnp.tile(jnp.arange(0, 200, 8), (DRAWS, 1))
    epoch = jax.jit(lambda chosen, state: training.train_epoch(NOISY, chosen, state, order, data))

    def mean(steps=0, **given):
        after, losses = epoch(hyper(learning_rate=STILL, **given), state._replace(steps=jnp.int32(steps)))
        assert np.array_equal(after.weights.params["output"]["kernel"], state.weights.params["output"]["kernel"])
        return float(losses.error)

    return mean


def test_the_loss_is_the_mean_over_gaussian_noise_on_scaled_inputs(dataset, state, cross_entropy):
    """Beside NumPy's noise, to four standard errors of the difference; another deviation is told apart."""
    random, params = np.random.default_rng(0), jax.tree.map(np.asarray, state.weights.params)
    inputs, targets = dataset.train.inputs[:200:8] / 255, dataset.train.targets[:200:8]

    def one_draw():
        noisy = inputs + SD * random.normal(size=inputs.shape)
        units = np.maximum(noisy @ params["hidden_0"]["kernel"], 0)
        outputs = units @ params["output"]["kernel"]
        return np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(ROWS), targets])

    draws = np.array([one_draw() for _ in range(DRAWS)])
    tolerance = 4 * draws.std() * np.sqrt(2 / DRAWS)
    assert abs(cross_entropy(input_noise=SD) - draws.mean()) < tolerance
    for other in (0.8 * SD, 1.2 * SD, 0.0):
        assert abs(cross_entropy(input_noise=other) - draws.mean()) > tolerance


def test_cells_are_paired_and_epochs_are_not(cross_entropy):
    """The noise is of sweep seed, split, seed, runs before and step: of nothing else of a cell."""
    first = cross_entropy(input_noise=SD)
    assert cross_entropy(input_noise=SD, l1=1.0, label_smoothing=0.1) == first
    assert cross_entropy(input_noise=SD, steps=DRAWS) != first, "the next epoch"
    for place in range(4):
        identity = [1, 2, 3, 0]
        identity[place] += 1
        assert cross_entropy(input_noise=SD, identity=identity) != first


def test_another_deviation_scales_the_same_noise(data, state, float64):
    """The slope at 0 is the same from either side of it: what differs is noise times the deviation."""
    weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), state.weights)
    order = jnp.arange(20).reshape(4, 5)

    @jax.jit
    def mean(noise):
        chosen = hyper(learning_rate=STILL, dtype=jnp.float64)._replace(input_noise=noise)
        start = training.restart(NOISY, chosen, weights)
        return training.train_epoch(NOISY, chosen, start, order, data)[1].error

    clean = mean(0.0)
    slopes = [float(mean(noise) - clean) / noise for noise in (1e-6, 2e-6)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3) and abs(slopes[0]) > 1e-3


def test_evaluation_is_clean(data, state):
    order = jnp.arange(40).reshape(4, 10)
    with_noise, without = (
        evaluated(model, hyper(input_noise=noise), state.weights, order, data)
        for model, noise in ((NOISY, 0.5), (learner(hidden=[8]), 0.0))
    )
    for one, other in zip(*map(jax.tree.leaves, (with_noise, without)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_padding_counts_for_nothing(dataset, data):
    """Padding reads the last image: another one there changes nothing, batch normalisation included."""
    model, chosen = learner(hidden=[8], batch_norm=True, input_noise=0.1), hyper(input_noise=0.1)
    inputs = dataset.train.inputs.copy()
    inputs[-1] = 255 - inputs[-1]
    other = Part(jnp.asarray(inputs), data.targets)
    epoch = jax.jit(lambda data, order: training.train_epoch(model, chosen, training.start(model, chosen), order, data))
    padded, last = (jnp.asarray([[3, 4, 5, 6], [7, 8, 9, row]]) for row in (-1, len(inputs) - 1))

    def same(order):
        pairs = zip(*(jax.tree.leaves(epoch(part, order)) for part in (data, other)), strict=True)
        return all(np.array_equal(a, b) for a, b in pairs)

    assert same(padded) and not same(last)
