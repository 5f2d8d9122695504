"""What is trained on: cross-entropy, smoothed or not, and squared error, each against its definition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_member import evaluated, hyper, learner, placed

from jaxreg.engine import training
from jaxreg.engine.grouping import in_batches
from jaxreg.engine.tasks import Classification

TASK, SQUARED = Classification(10, smoothed=True), Classification(10, "squared", smoothed=True)


def losses(task, outputs, targets, smoothing):
    """Of each example, as a step computes them."""
    predictions = task.predictions(outputs)
    return task.losses(task.errors(outputs, targets), predictions, targets, jnp.asarray(smoothing))


def optaxs(outputs, targets, smoothing):
    return optax.softmax_cross_entropy(outputs, optax.smooth_labels(jax.nn.one_hot(targets, 10), smoothing))


def examples(seed):
    """Outputs of all sizes, and targets."""
    random = np.random.default_rng(seed)
    return jnp.asarray(random.normal(size=(7, 10)) * 10 ** random.uniform(-2, 2)), jnp.asarray(
        random.integers(10, size=7)
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), smoothing=st.floats(0, 0.99))
def test_smoothed_cross_entropy_is_optaxs(float64, seed, smoothing):
    outputs, targets = examples(seed)
    expected = optaxs(outputs, targets, smoothing)
    np.testing.assert_allclose(losses(TASK, outputs, targets, smoothing), expected, rtol=1e-12, atol=1e-12)


def test_no_smoothing_is_the_cross_entropy_itself():
    """Bit for bit."""
    outputs, targets = (jnp.asarray(array) for array in examples(1))
    np.testing.assert_array_equal(losses(TASK, outputs, targets, 0.0), TASK.errors(outputs, targets))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), smoothing=st.floats(0, 0.99))
def test_squared_error_is_the_mean_over_classes(float64, seed, smoothing):
    """Of the squared difference of softmax and label, which is 1 or 0, or smoothed."""
    outputs, targets = map(np.asarray, examples(seed))
    probabilities = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (1 - smoothing) * np.eye(10)[targets] + smoothing / 10
    expected = ((probabilities - labels) ** 2).sum(axis=1) / 10
    found = losses(SQUARED, jnp.asarray(outputs), jnp.asarray(targets), smoothing)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("given", [{"label_smoothing": 0.2}, {"loss": "squared"}], ids=str)
def test_training_and_evaluation_tell_the_loss_and_the_cross_entropy_apart(dataset, given):
    """Of 37 examples in batches of 10, weights at rest: both are means of what the definitions say."""
    model, chosen = learner(hidden=[8], **given), hyper(hidden=[8], learning_rate=1e-30, **given)
    data, order = placed(dataset.train), jnp.asarray(in_batches(np.arange(37), 10))
    state = training.start(model, chosen)
    outputs, _ = model.network.apply(state.weights, jnp.asarray(dataset.train.inputs[:37] / np.float32(255)))
    targets = jnp.asarray(dataset.train.targets[:37], jnp.int32)
    if "loss" in given:
        expected = jnp.mean((jax.nn.softmax(outputs) - jax.nn.one_hot(targets, 10)) ** 2)
    else:
        expected = jnp.mean(optaxs(outputs, targets, 0.2))
    _, trained = training.train_epoch(model, chosen, state, order, data)
    scored, _ = evaluated(model, chosen, state.weights, order, data)
    for found in (trained, scored):
        np.testing.assert_allclose(found.loss, expected, rtol=1e-5)
        np.testing.assert_allclose(found.error, jnp.mean(optaxs(outputs, targets, 0.0)), rtol=1e-5)
