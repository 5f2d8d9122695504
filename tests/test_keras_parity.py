"""Training against Keras on its JAX backend: same weights, same batches, same numbers."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from keras_reference import (
    arrays_of,
    compile_anew,
    first_state,
    keras,
    keras_model,
    network,
    ours,
    same,
    some_rows,
    step_of,
    theirs,
    to_keras,
)
from one_member import evaluated, hyper

from jaxreg.data.dataset import Part
from jaxreg.engine import optimizers, training
from jaxreg.engine.grouping import in_batches
from jaxreg.engine.sizes import EVALUATION_BATCH


@pytest.fixture(scope="module")
def rows(whole):
    return some_rows(whole, epochs=8)  # 112 steps


CASES = {
    "plain": {},
    "l1": {"l1": 1e-3},
    "l2": {"l2": 1e-2},
    "both": {"l1": 1e-4, "l2": 1e-3},
    "batch_norm": {"batch_norm": True},
    "batch_norm+both": {"batch_norm": True, "l1": 1e-4, "l2": 1e-3},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_step_has_the_loss_that_keras_has(case, rows, keras_float64):
    """112 steps, every 14th a partial batch, and the same weights and moving statistics at the end.

    In double precision: in single, rounding alone grows past 1e-4 in 110 steps of batch normalisation.
    """
    settings = dict(CASES[case])
    batch_norm = settings.pop("batch_norm", False)
    model, chosen = network(batch_norm=batch_norm), hyper(**settings, dtype=jnp.float64)
    start = first_state(model, chosen)
    reference = keras_model(**settings, batch_norm=batch_norm)
    reference.set_weights(to_keras(start.weights))
    losses, state = ours(model, chosen, rows, start)
    expected = theirs(reference, rows)
    assert len(losses) == 112
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert losses.dtype == np.float64 and losses[-14:].mean() < 0.9 * losses[:14].mean(), "it learned something"
    for array, other in zip(to_keras(state.weights), arrays_of(reference), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6, atol=1e-9)
    # An epoch as a whole is what Keras prints for it: the mean over its batches, weighted by size.
    data = Part(jnp.asarray(rows.images), jnp.asarray(rows.labels))
    _, epoch = step_of(model, optimizers.scale_by_keras_adam)(chosen, start, jnp.asarray(rows.order[:14]), data)
    printed = np.average(expected[:14], weights=[32] * 13 + [8])
    np.testing.assert_allclose(epoch.error + epoch.penalty, printed, rtol=1e-5)


@pytest.mark.slow
def test_raw_pixels_in_double_precision(rows, keras_float64):
    """Raw pixels make losses of 100 and more, on which float32 is no test."""
    chosen = hyper(l1=1e-2, l2=1e-2, scaling="raw", dtype=jnp.float64)
    model = network()
    start = first_state(model, chosen)
    reference = keras_model(l1=1e-2, l2=1e-2)
    reference.set_weights(to_keras(start.weights))
    losses, state = ours(model, chosen, rows, start)
    assert losses.dtype == np.float64 and losses[0] > 10
    np.testing.assert_allclose(losses, theirs(reference, rows, scale=1.0), rtol=1e-9)
    for array, other in zip(to_keras(state.weights), arrays_of(reference), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_restart_is_compiling_again(rows):
    """The weights and moving statistics stay, Adam's moments and count do not."""
    model, chosen, half = network(batch_norm=True), hyper(l2=1e-3), rows.order[:28]
    start = first_state(model, chosen)
    reference = keras_model(l2=1e-3, batch_norm=True)
    reference.set_weights(to_keras(start.weights))
    first, state = ours(model, chosen, rows, start, half)
    np.testing.assert_allclose(first, theirs(reference, rows, order=half), rtol=1e-4)
    compile_anew(reference)
    expected = theirs(reference, rows, order=half)
    second, _ = ours(model, chosen, rows, training.restart(model, chosen, state.weights), half)
    np.testing.assert_allclose(second, expected, rtol=1e-4)
    continued, _ = ours(model, chosen, rows, state, half)
    assert not same(continued, expected, 1e-4), "going on with the old moments is something else"


@pytest.mark.slow
def test_evaluate_of_keras_is_our_cross_entropy_and_penalty(whole, rows):
    """Over 1,123 images: neither Keras's batches of 32 nor ours of 1,000 come out even."""
    model, chosen = network(batch_norm=True), hyper(l1=1e-4, l2=1e-3)
    _, state = ours(model, chosen, rows, order=rows.order[:14])
    reference = keras_model(l1=1e-4, l2=1e-3, batch_norm=True)
    reference.set_weights(to_keras(state.weights))
    images, labels = whole.test.inputs[:1123], whole.test.targets[:1123]
    batches = jnp.asarray(in_batches(np.arange(1123), EVALUATION_BATCH))
    data = Part(jnp.asarray(images), jnp.asarray(labels))
    found, predictions = evaluated(model, chosen, state.weights, batches, data)
    scaled = images.astype(np.float32) / 255
    expected = reference.evaluate(scaled, labels, batch_size=32, verbose=0)
    penalty = 1e-4 * found.norms.absolute + 1e-3 * found.norms.square
    np.testing.assert_allclose(found.error + penalty, expected, rtol=1e-5)
    logits = np.asarray(reference(scaled, training=False))
    np.testing.assert_allclose(predictions[:1123], jax.nn.log_softmax(logits), atol=1e-5)
    assert float(found.score) == pytest.approx(np.mean(logits.argmax(axis=1) == labels), abs=1e-6)


@pytest.mark.slow
def test_control_other_adam(rows, monkeypatch):
    """Optax's Adam must fail where gradients are tiny: dark pixels' weights have the gradient of L1 only."""
    tiny = 3e-7
    model, chosen, order = network(), hyper(l1=tiny), rows.order[:50]
    start = first_state(model, chosen)
    reference = keras_model(l1=tiny)
    reference.set_weights(to_keras(start.weights))
    theirs(reference, rows, order=order)
    dark = ~rows.images.any(axis=0)
    assert dark.any()
    moved = arrays_of(reference)[0][dark] - np.asarray(start.weights.params["hidden_0"]["kernel"])[dark]

    def mine():
        _, state = ours(model, chosen, rows, training.restart(model, chosen, start.weights), order)
        before, after = (part.weights.params["hidden_0"]["kernel"] for part in (start, state))
        return np.asarray(after - before)[dark]

    np.testing.assert_allclose(mine(), moved, rtol=1e-3, atol=1e-6)

    def optax_adam(eps, step):
        return optax.scale_by_adam(eps=eps)  # counts steps by itself

    for eps in (1e-8, 1e-7):
        monkeypatch.setattr(optimizers, "scale_by_keras_adam", partial(optax_adam, eps))
        assert np.median(np.abs(mine() / moved)) > 1.2


@pytest.mark.slow
def test_control_half_a_penalty(rows):
    """A penalty with a factor 1/2 must fail, each of the two."""
    for name in ("l1", "l2"):
        start = training.start(network(), hyper())
        reference = keras_model(**{name: 1e-3})
        reference.set_weights(to_keras(start.weights))
        expected = theirs(reference, rows, order=rows.order[:5])
        right, _ = ours(network(), hyper(**{name: 1e-3}), rows, start, rows.order[:5])
        wrong, _ = ours(network(), hyper(**{name: 5e-4}), rows, start, rows.order[:5])
        assert same(right, expected, 1e-4) and not same(wrong, expected, 1e-4)


@pytest.mark.slow
def test_dropout_trains_as_keras_does_in_distribution(rows):
    """Masks differ, so the law is compared: the mean loss of the same 14 steps, over 30 seeds each.

    The tolerance is four standard errors of the difference, itself small beside what another rate does.
    """
    rates, seeds, order = (0.3, 0.5), 30, rows.order[:14]
    model = network(dropout=[0.3, 0.5])
    start = training.start(model, hyper())
    data = Part(jnp.asarray(rows.images), jnp.asarray(rows.labels))

    def mean_loss(seed, rates):
        chosen = hyper()._replace(
            dropout=rates, identity=jnp.stack([jnp.uint32(9), jnp.uint32(0), seed, jnp.uint32(0)])
        )
        return training.train_epoch(model, chosen, start, jnp.asarray(order), data)[1].error

    many = jax.jit(jax.vmap(mean_loss, in_axes=(0, None)))
    mine = many(jnp.arange(seeds, dtype=jnp.uint32), jnp.array(rates))
    reference = keras_model(dropout=rates)
    seeded = [layer.seed_generator for layer in reference.layers if isinstance(layer, keras.layers.Dropout)]
    reference.train_on_batch(np.zeros((1, 784), np.float32), np.zeros(1))  # builds the optimizer
    fresh = [np.zeros(v.shape, v.dtype) for v in reference.optimizer.variables[2:]]
    others = []
    for seed in range(seeds):
        reference.set_weights(to_keras(start.weights))
        reference.optimizer.iterations.assign(0)
        for variable, zero in zip(reference.optimizer.variables[2:], fresh, strict=True):
            variable.assign(zero)
        for layer, generator in enumerate(seeded):
            generator.state.assign(np.array([seed, layer], np.uint32))
        losses = theirs(reference, rows, order=order)
        others.append(np.average(losses, weights=(order >= 0).sum(axis=1)))
    error = np.sqrt(np.var(mine) / seeds + np.var(others) / seeds)
    assert abs(np.mean(mine) - np.mean(others)) < 4 * error
    assert 0.5 < np.std(mine) / np.std(others) < 2
    wrong = many(jnp.arange(seeds, dtype=jnp.uint32), jnp.array((0.5, 0.5)))
    assert abs(np.mean(wrong) - np.mean(others)) > 4 * error, "the test can tell another rate"
