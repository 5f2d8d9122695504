"""Products: of dense layers with their gradients, and of 8-bit inputs, as exact as of scaled ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_member import hyper, learner, placed

from jaxreg.engine import training
from jaxreg.engine.grouping import in_batches
from jaxreg.engine.products import PIECES, Levels, dense, in_pieces

FLOATS = st.floats(-(2.0**99), 2.0**99, width=32).filter(lambda value: value == 0 or abs(value) > 2.0**-66)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "side by side"])
def test_the_gradients_of_a_dense_product_are_autodiff_s(float64, together):
    shapes = (5, 7), (7, 3)
    factors = [jax.random.normal(jax.random.key(seed), (4, *shape)) for seed, shape in enumerate(shapes)]

    def gradients(product):
        of_one = jax.grad(lambda x, w: jnp.sum(jnp.sin(product(x, w))), argnums=(0, 1))
        return jax.jit(jax.vmap(of_one))(*factors) if together else of_one(factors[0][0], factors[1][0])

    for mine, other in zip(gradients(dense), gradients(jnp.matmul), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_three_pieces_of_eight_bits_are_the_number(values):
    given_ = np.array(values, np.float32)
    pieces = [np.asarray(piece) for piece in in_pieces(jnp.asarray(given_), 3)]
    assert np.array_equal(np.sum(np.float64(pieces), axis=0), np.float64(given_))
    for piece in pieces:
        assert np.array_equal(piece, np.float32(jnp.asarray(piece).astype(jnp.bfloat16)))


@given(st.lists(FLOATS, min_size=1, max_size=20), st.integers(1, 2))
def test_fewer_pieces_are_the_number_to_eight_bits_each(values, count):
    given_ = np.array(values, np.float32)
    found = np.sum(np.float64([np.asarray(piece) for piece in in_pieces(jnp.asarray(given_), count)]), axis=0)
    assert np.all(np.abs(found - given_) <= 2.0 ** (-8 * count) * np.abs(given_))


def reference(levels, kernel, shift, scale):
    return (np.float64(levels) - shift) / scale @ np.float64(kernel)


@pytest.mark.parametrize("pieces", [None, PIECES["float32"]])
@pytest.mark.parametrize("scaling", [(0.0, 1.0), (0.0, 255.0), (72.94, 90.02)], ids=["raw", "unit", "standard"])
def test_products_are_as_exact_as_of_scaled_inputs(whole, scaling, pieces):
    """Against double precision: no further off than float32's own product of scaled images."""
    levels = whole.train.inputs[:64]
    kernel = np.asarray(jax.random.normal(jax.random.key(0), (levels.shape[1], 50)) / 28, np.float32)
    shift, scale = map(np.float32, scaling)
    exact = reference(levels, kernel, shift, scale)
    found = Levels(jnp.asarray(levels), jnp.asarray(shift), jnp.asarray(scale), pieces).times(jnp.asarray(kernel))
    plain = np.float32((levels.astype(np.float32) - shift) / scale) @ kernel
    size = np.abs(exact).max()
    assert np.abs(found - exact).max() < max(2 * np.abs(plain - exact).max(), 1e-6 * size)


def test_one_piece_rounds_the_weights_alone(whole):
    levels, kernel = whole.train.inputs[:16], np.asarray(jax.random.normal(jax.random.key(1), (784, 9)), np.float32)
    zero, one = jnp.float32(0), jnp.float32(1)
    rounded = np.float64(np.float32(jnp.asarray(kernel).astype(jnp.bfloat16)))
    found = Levels(jnp.asarray(levels), zero, one, PIECES["bf16"]).times(jnp.asarray(kernel))
    np.testing.assert_allclose(found, levels @ rounded, rtol=1e-5, atol=1e-2)
    assert np.abs(found - levels @ np.float64(kernel)).max() > 1, "else nothing was rounded"


@pytest.mark.parametrize("levels", ["whole", "pieces"])
@pytest.mark.parametrize("scaling", ["raw", "unit"])
@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "dropout": 0.3}], ids=["plain", "norm and dropout"])
def test_a_member_trains_the_same(dataset, scaling, more, levels):
    """Losses and gradients of an epoch agree with those of scaled inputs, to float32's rounding."""
    plain, given_ = learner(hidden=[8, 6], **more), hyper(scaling=scaling, l2=1e-3, **more | {"hidden": [8, 6]})
    data, order = placed(dataset.train), jnp.asarray(in_batches(np.arange(200), 32))
    begun = training.start(plain, given_)
    other = plain._replace(levels=levels)
    losses = [
        jax.jit(lambda member=member: training.train_epoch(member, given_, begun, order, data))()[1].error
        for member in (plain, other)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    steps = jnp.int32(len(order))
    predictions = [training.predict(member, given_, begun.weights, order, steps, data) for member in (plain, other)]
    np.testing.assert_allclose(*predictions, rtol=1e-4, atol=1e-4)


def test_the_gradient_is_that_of_scaled_inputs(whole):
    levels = jnp.asarray(whole.train.inputs[:32])
    kernel = jax.random.normal(jax.random.key(0), (784, 12)) / 28
    shift, scale = jnp.float32(72.94), jnp.float32(90.02)

    def loss(product):
        return jnp.sum(jnp.sin(product))

    mine = jax.grad(lambda w: loss(Levels(levels, shift, scale, 3).times(w)))(kernel)
    plain = jax.grad(lambda w: loss((levels - shift) / scale @ w))(kernel)
    np.testing.assert_allclose(mine, plain, rtol=1e-3, atol=1e-4)


def test_many_members_side_by_side(whole):
    levels = jnp.asarray(whole.train.inputs[:8])
    kernels = jax.random.normal(jax.random.key(0), (3, 784, 5))
    times = Levels(levels, jnp.float32(0), jnp.float32(255), 3).times
    np.testing.assert_allclose(jax.vmap(times)(kernels), [times(kernel) for kernel in kernels], rtol=1e-5, atol=1e-5)
