"""L1 by soft thresholding: exact zeros, and where they must be."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_member import hyper, learner
from sklearn.linear_model import Lasso

SGD = {"name": "sgd"}


@partial(jax.jit, static_argnames=("model",))
def one_step(model, chosen, step, state, gradient, w):
    """The engine's step of a kernel."""
    params, gradients = ({"hidden_0": {"kernel": array}} for array in (w, gradient))
    chain = model.optimizer.transformation(chosen, step, model.network)
    updates, state = chain.update(gradients, state, params)
    return state, optax.apply_updates(params, updates)["hidden_0"]["kernel"]


def prepared(w, **given):
    """What `one_step` is given, but for step, gradient and kernel."""
    model, chosen = learner(hidden=[4], **given), hyper(hidden=[4], **given, dtype=jnp.float64)
    chain = model.optimizer.transformation(chosen, jnp.int32(0), model.network)
    return model, chosen, chain.init({"hidden_0": {"kernel": w}})


def path(gradient, w, steps, **given):
    """The kernel after each of so many steps down a gradient."""
    model, chosen, state = prepared(w, **given)

    def body(carry, step):
        state, w = carry
        state, w = one_step(model, chosen, step, state, gradient(w), w)
        return (state, w), w

    return np.asarray(jax.lax.scan(body, (state, w), jnp.arange(steps, dtype=jnp.int32))[1])


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    strength=st.floats(1e-4, 1.0),
    gradients=st.lists(st.floats(-2, 2).filter(lambda g: g == 0 or abs(g) > 1e-5), min_size=1, max_size=6),
)
def test_a_weight_leaves_zero_when_its_mean_gradient_is_larger_than_the_strength(float64, strength, gradients):
    """Adam's bias-corrected mean; at the strength itself rounding decides."""
    w, mean = jnp.zeros((1, 1)), 0.0
    model, chosen, state = prepared(w, l1_exact=0.5)
    chosen = chosen._replace(l1_exact=jnp.asarray(strength))
    for number, gradient in enumerate(gradients):
        mean = 0.9 * mean + 0.1 * gradient
        corrected = mean / (1 - 0.9 ** (number + 1))
        state, w = one_step(model, chosen, jnp.int32(number), state, jnp.full((1, 1), gradient), w)
        if abs(corrected) > strength * (1 + 1e-9):
            assert np.sign(w[0, 0]) == -np.sign(corrected)
            return
        if abs(corrected) >= strength * (1 - 1e-9):
            return
        assert w[0, 0] == 0


RULES = {
    "adam": {},
    "sgd": {"optimizer": SGD},
    "momentum": {"optimizer": SGD | {"momentum": 0.9}},
    "nesterov": {"optimizer": SGD | {"momentum": 0.9, "nesterov": True}},
}


@pytest.mark.parametrize("schedule", ["constant", "cosine", {"name": "step", "epochs": [1], "factor": 0.1}], ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_a_constant_gradient_is_either_too_small_in_every_step_or_in_none(float64, rule, schedule):
    """The threshold follows momentum and rates that change: with 4 steps an epoch the rate drops after the fourth."""
    given = RULES[rule] | {"schedule": schedule, "epochs": 3, "batch_size": 250, "learning_rate": 0.1}
    gradients = jnp.array([[0.299, -0.299, 0.301, -0.301]])
    for found in path(lambda _: gradients, jnp.zeros((1, 4)), 12, l1_exact=0.3, **given):
        assert np.sign(found).tolist() == [[0, 0, -1, 1]]


@pytest.mark.parametrize("rule", RULES)
def test_a_separable_quadratic_ends_at_the_lassos_closed_form(float64, rule):
    """Of |w - a|^2 / 2 + strength |w|: sign(a) max(|a| - strength, 0), zeros exactly."""
    a = jnp.array([[-2.0, -0.5, -0.31, -0.29], [-0.1, 0.0, 0.2, 0.29], [0.31, 0.4, 1.0, 3.0]])
    start = jnp.asarray(np.random.default_rng(0).normal(size=a.shape))
    found = path(lambda w: w - a, start, 10_000, l1_exact=0.3, learning_rate=0.02, **RULES[rule])[-1]
    expected = np.sign(a) * np.maximum(np.abs(a) - 0.3, 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.array_equal(found == 0, expected == 0) and np.sum(found == 0) == 5


def test_with_sgd_it_is_ista(float64):
    """Scikit-learn's Lasso has the same objective, |y - Xw|^2 / 2n + strength |w|: the threshold is rate * strength."""
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 12))
    y = x[:, :4] @ [1.5, -2.0, 0.7, 0.1] + 0.3 * random.normal(size=60)
    reference = Lasso(alpha=0.15, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y).coef_
    rate = float(60 / np.linalg.eigvalsh(x.T @ x)[-1])
    features, target = jnp.asarray(x), jnp.asarray(y[:, None])

    def gradient(w):
        return features.T @ (features @ w - target) / 60

    start = jnp.asarray(random.normal(size=(12, 1)))
    found = path(gradient, start, 3000, l1_exact=0.15, learning_rate=rate, optimizer=SGD)
    np.testing.assert_allclose(found[-1, :, 0], reference, atol=1e-8)
    assert np.array_equal(found[-1, :, 0] == 0, reference == 0) and 4 <= np.sum(reference == 0) < 12
    # One step, by definition.
    stepped = start - rate * gradient(start)
    np.testing.assert_allclose(found[0], np.sign(stepped) * np.maximum(np.abs(stepped) - rate * 0.15, 0), rtol=1e-12)


@pytest.fixture(scope="module")
def trained(train, small):
    return train(small(l1_exact=[0.0, 1e-3, 100.0], splits=1, hidden=[8, 6]))


def kernels(member):
    params = member.weights["params"]
    return [np.asarray(params[name]["kernel"]) for name in ("hidden_0", "hidden_1")]


def test_weights_that_no_gradient_reaches_are_zero_after_some_steps(trained, dataset):
    """Those of pixels that are 0 in every training image; `zero_weights` counts exact zeros of hidden kernels."""
    member = trained["l1_exact=1e-3/split0/seed0"]
    dark = ~dataset.train.inputs.any(axis=0)
    assert dark.any() and not np.any(kernels(member)[0][dark])
    counted = np.concatenate([kernel.reshape(-1) == 0 for kernel in kernels(member)])
    assert member.row["zero_weights"] == pytest.approx(counted.mean(), abs=1e-12)
    assert dark.mean() / 2 < counted.mean() < 1 and np.all(member.weights["params"]["output"]["kernel"])
    assert member.row["penalty"] == pytest.approx(1e-3 * member.row["weight_l1"], rel=1e-6)
    assert trained["plain/split0/seed0"].row["zero_weights"] == 0


def test_a_strength_above_all_gradients_leaves_nothing(trained):
    """The hidden kernels are 0; the output's biases still learn, its kernel is not penalised."""
    member = trained["l1_exact=100/split0/seed0"]
    assert member.row["zero_weights"] == 1 and not any(map(np.any, kernels(member)))
    assert np.any(member.weights["params"]["output"]["bias"]) and np.any(member.weights["params"]["output"]["kernel"])
