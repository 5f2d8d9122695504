"""The network: its size, its start, its dropout and its batch normalisation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.engine.networks import MLP, dropout


def shapes(model):
    return jax.eval_shape(lambda key: model.init(key, jnp.zeros((1, 784))), jax.random.key(0))


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [
        ((225, 256, 128), 268_667),
        ((225, 256), 237_051),
        ((225, 256, 128, 128, 128), 301_691),
        ((225, 256, 128, 128, 225, 256, 28, 64, 128, 225), 419_427),
    ],
)
def test_numbers_of_parameters(hidden, parameters):
    """Of the networks of 3, 2, 5 and 10 hidden layers that the notebook trained."""
    leaves = jax.tree.leaves(shapes(MLP(hidden, 10))["params"])
    assert sum(leaf.size for leaf in leaves) == parameters


def test_kernels_start_glorot_uniform_and_biases_at_zero():
    params = MLP((225, 256, 128), 10).init(jax.random.key(1), jnp.zeros((1, 784)))["params"]
    assert len(params) == 4
    for layer in params.values():
        limit = np.sqrt(6 / sum(layer["kernel"].shape))
        kernel = np.asarray(layer["kernel"])
        assert np.abs(kernel).max() <= limit
        assert np.abs(kernel).max() > 0.98 * limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        assert not np.any(layer["bias"])


def test_dropout_rate_zero_is_the_identity():
    units = jax.random.normal(jax.random.key(0), (50, 40))
    found = jax.jit(dropout)(jax.random.key(1), jnp.float32(0), units)
    np.testing.assert_array_equal(found, units)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    """A unit is 0 or itself / (1 - rate); the share kept is 1 - rate, to five standard errors."""
    units = jnp.full((500, 400), 2.0)
    found = np.asarray(dropout(jax.random.key(2), jnp.float32(rate), units))
    kept = found != 0
    np.testing.assert_allclose(found[kept], 2 / (1 - np.float32(rate)), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / found.size)
    assert found.mean() == pytest.approx(2, rel=0.05)


def test_dropout_is_off_in_evaluation():
    pixels = jax.random.uniform(jax.random.key(3), (20, 784))
    with_dropout, without = MLP((8, 6), 10, dropout=True), MLP((8, 6), 10)
    variables = with_dropout.init(jax.random.key(0), pixels)
    np.testing.assert_array_equal(with_dropout.apply(variables, pixels), without.apply(variables, pixels))
    rates, key = jnp.array([0.5, 0.5]), jax.random.key(1)
    trained = with_dropout.apply(variables, pixels, train=True, rates=rates, key=key)
    assert np.any(trained != without.apply(variables, pixels))


def test_layers_have_masks_of_their_own():
    """With the first layer's rate 0 the mask is the second layer's, and another step has another mask."""
    pixels = jnp.ones((4, 784))
    model = MLP((30, 30), 10, dropout=True)
    variables = model.init(jax.random.key(0), pixels)

    def logits(rates, key):
        return np.asarray(model.apply(variables, pixels, train=True, rates=jnp.array(rates), key=jax.random.key(key)))

    first, second = logits([0.5, 0.0], 1), logits([0.0, 0.5], 1)
    assert np.any(first != second)
    assert np.any(first != logits([0.5, 0.0], 2))
    np.testing.assert_array_equal(first, logits([0.5, 0.0], 1))
    assert len(np.unique(first, axis=0)) == 4, "each image has a mask of its own"


def test_batch_norm_by_definition():
    """Biased variance, epsilon 1e-3, momentum 0.99, after the ReLU; padding counts for nothing."""
    random = np.random.default_rng(0)
    pixels = random.normal(size=(10, 784)).astype(np.float32)
    model = MLP((6,), 10, batch_norm=True)
    variables = model.init(jax.random.key(0), jnp.asarray(pixels))
    valid = jnp.arange(10) < 7
    logits, updated = model.apply(variables, jnp.asarray(pixels), train=True, valid=valid, mutable=["batch_stats"])
    params = variables["params"]
    units = np.maximum(pixels @ np.asarray(params["hidden_0"]["kernel"]), 0)[:7]
    mean, variance = units.mean(axis=0), units.var(axis=0)
    moving = updated["batch_stats"]["batch_norm_0"]
    np.testing.assert_allclose(moving["mean"], 0.01 * mean, rtol=1e-4)
    np.testing.assert_allclose(moving["var"], 0.99 + 0.01 * variance, rtol=1e-4)
    expected = (units - mean) / np.sqrt(variance + 1e-3) @ np.asarray(params["output"]["kernel"])
    np.testing.assert_allclose(logits[:7], expected, rtol=1e-3, atol=1e-4)
    # In evaluation the moving statistics are used, which start at 0 and 1.
    frozen = model.apply(variables, jnp.asarray(pixels))
    np.testing.assert_allclose(
        frozen[:7], units / np.sqrt(1 + 1e-3) @ np.asarray(params["output"]["kernel"]), rtol=1e-3, atol=1e-4
    )
