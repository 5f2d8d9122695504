"""Penalties, Adam, weight decay, SGD and the constraint, each against its definition. `test_exact_l1` has exact L1."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_member import hyper, learner, placed

from jaxreg.engine import grouping, training
from jaxreg.engine.grouping import in_batches
from jaxreg.engine.optimizers import Optimizer, add_l1, add_l2, max_norm, scale_by_keras_adam
from jaxreg.engine.penalties import Penalties, weight_norms
from jaxreg.spec.settings import Settings

NETWORK = learner(hidden=[6, 5], batch_norm=True).network
FIRST = jnp.int32(0)


@pytest.fixture(scope="module")
def params():
    return NETWORK.init(jax.random.key(0), jnp.zeros((1, 784))).params


def test_the_hidden_kernels_and_nothing_else(params):
    """Neither biases nor batch normalisation nor the output kernel, which has two axes as well."""
    marked = jax.tree_util.tree_leaves_with_path(NETWORK.penalised(params))
    names = {"/".join(entry.key for entry in path) for path, penalised in marked if penalised}
    assert names == {"hidden_0/kernel", "hidden_1/kernel"}


def test_the_chain_is_the_gradient_of_the_penalised_loss(float64):
    """In double precision, to rounding: the definition is autodiff of the written-out penalty."""
    random = np.random.default_rng(1)
    shapes = {"hidden_0": (7, 6), "hidden_1": (6, 5), "output": (5, 3)}
    params = {
        name: {"kernel": jnp.asarray(random.normal(size=shape)), "bias": jnp.asarray(random.normal(size=shape[1]))}
        for name, shape in shapes.items()
    }
    pixels = jnp.asarray(random.normal(size=(11, 7)))
    l1, l2 = jnp.asarray(0.03), jnp.asarray(0.2)

    def data_loss(params):
        units = pixels
        for name in ("hidden_0", "hidden_1"):
            units = jax.nn.relu(units @ params[name]["kernel"] + params[name]["bias"])
        return jnp.mean((units @ params["output"]["kernel"] + params["output"]["bias"]) ** 2)

    def penalised(params):
        kernels = [params[name]["kernel"] for name in ("hidden_0", "hidden_1")]
        return (
            data_loss(params)
            + 0.03 * sum(jnp.sum(jnp.abs(w)) for w in kernels)
            + 0.2 * sum(jnp.sum(w**2) for w in kernels)
        )

    chain = optax.chain(optax.masked(add_l1(l1), NETWORK.penalised), optax.masked(add_l2(l2), NETWORK.penalised))
    found, _ = chain.update(jax.grad(data_loss)(params), chain.init(params), params)
    for mine, other in zip(*map(jax.tree.leaves, (found, jax.grad(penalised)(params))), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-14, atol=2e-15)


def moved(transform, gradients):
    """How far a weight goes under gradients at a learning rate of 1e-3; `transform` is of the number of steps."""
    weight, state = jnp.zeros(()), None
    for number, gradient in enumerate(gradients):
        optimizer = optax.chain(transform(jnp.int32(number)), optax.scale_by_learning_rate(1e-3))
        state = optimizer.init(weight) if state is None else state
        update, state = optimizer.update(jnp.asarray(gradient), state, weight)
        weight = weight + update
    return float(weight)


def test_adam_puts_epsilon_where_keras_does():
    """Check figures of Keras and Optax for 50 steps of a constant gradient of 1e-6."""
    gradients = [1e-6] * 50
    assert moved(scale_by_keras_adam, gradients) == pytest.approx(-0.0290, abs=5e-5)
    assert moved(lambda _: optax.scale_by_adam(eps=1e-8), gradients) == pytest.approx(-0.0495, abs=5e-5)
    assert moved(lambda _: optax.scale_by_adam(eps=1e-7), gradients) == pytest.approx(-0.0455, abs=5e-5)


def test_adam_is_optaxs_with_the_epsilon_of_each_step(float64):
    """Optax's own Adam with eps = 1e-7 / sqrt(1 - 0.999^t) is Keras's, for gradients of all sizes."""
    random = np.random.default_rng(2)
    gradients = [random.normal() * 10.0 ** random.integers(-8, 1) for _ in range(40)]

    def optaxs(step):
        return optax.scale_by_adam(eps=1e-7 / np.sqrt(1 - 0.999 ** (float(step) + 1)))

    assert moved(scale_by_keras_adam, gradients) == pytest.approx(moved(optaxs, gradients), rel=1e-9)


@settings(deadline=None)  # the first example compiles
@given(st.floats(0, 10, width=32, allow_subnormal=False), st.floats(-5, 5, width=32, allow_subnormal=False))
def test_penalty_gradients(strength, weight):
    """l1 sign(w), 0 at w = 0, and 2 l2 w: no factor 1/2."""
    kernel, strength = jnp.array([[weight]]), jnp.float32(strength)
    for penalty, expected in (
        (add_l1(strength), strength * np.sign(weight)),
        (add_l2(strength), 2 * strength * weight),
    ):
        found, _ = penalty.update(jnp.zeros((1, 1)), penalty.init(kernel), kernel)
        assert float(found[0, 0]) == pytest.approx(float(expected), rel=1e-6, abs=1e-30)


def test_strength_zero_is_no_penalty(params):
    """Bit for bit."""
    gradient = jax.tree.map(lambda w: jnp.sin(7 * w), params)
    bare = optax.chain(scale_by_keras_adam(FIRST), optax.scale_by_learning_rate(jnp.float32(1e-3)))
    penalised = Optimizer().transformation(hyper(), FIRST, NETWORK)
    updates = (optimizer.update(gradient, optimizer.init(params), params)[0] for optimizer in (penalised, bare))
    for mine, other in zip(*map(jax.tree.leaves, updates), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("more", [{}, {"l1": 1e-3}, {"l2": 1e-3}, {"l1_exact": 1e-3}], ids=str)
def test_a_penalty_that_no_cell_has_is_not_in_the_program(dataset, more):
    """Neither its gradient nor its norm; of what is left, every number is that of the program with all penalties."""
    settings, data = Settings(hidden=[6, 5], batch_size=8, **more), placed(dataset.train)
    asked = Penalties(settings.l1 > 0, settings.l2 > 0)
    full, lean = (grouping.learner(settings, dataset.signature, 64, some) for some in (Penalties(), asked))
    order, chosen = jnp.asarray(in_batches(np.arange(64), 8)), hyper(**more)

    def epoch(made, state):
        return training.train_epoch(made, chosen, state, order, data)

    ran, program = {}, {}
    for made in (full, lean):
        state = training.start(made, chosen)
        ran[made] = jax.jit(partial(epoch, made))(state)
        program[made] = str(jax.make_jaxpr(partial(epoch, made))(state))
    for mine, other in zip(*map(jax.tree.leaves, (ran[lean], ran[full])), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert jax.tree.structure(ran[lean][0].weights) == jax.tree.structure(ran[full][0].weights)
    fewer = [program[full].count(f" {name} ") - program[lean].count(f" {name} ") for name in ("sign", "abs")]
    assert fewer == [0 if "l1" in more else 2, 0 if {"l1", "l1_exact"} & more.keys() else 2], "of two kernels"


def test_output_and_biases_feel_no_penalty(params):
    """Without a gradient from the data, they stay where they are; hidden kernels shrink."""
    zero = jax.tree.map(jnp.zeros_like, params)
    optimizer = Optimizer().transformation(hyper(l1=0.1, l2=0.1), FIRST, NETWORK)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    for layer, leaves in updates.items():
        for name, update in leaves.items():
            if layer.startswith("hidden") and name == "kernel":
                assert np.all(np.sign(update) == -np.sign(params[layer][name]))
            else:
                assert not np.any(update)


def test_weight_norms(params):
    kernels = [np.asarray(params[name]["kernel"], np.float64) for name in ("hidden_0", "hidden_1")]
    sum_absolute, sum_square = weight_norms(NETWORK, params)
    assert float(sum_absolute) == pytest.approx(sum(np.abs(w).sum() for w in kernels), rel=1e-5)
    assert float(sum_square) == pytest.approx(sum((w**2).sum() for w in kernels), rel=1e-5)


ADAM_RATE = 1e-3
SGD = {"optimizer": {"name": "sgd"}, "learning_rate": 0.1}


@pytest.fixture
def tree(float64):
    """Parameters of two hidden layers and the output, in double precision, and gradients of six steps."""
    random = np.random.default_rng(3)
    shapes = {"hidden_0": (7, 6), "hidden_1": (6, 5), "output": (5, 3)}

    def drawn():
        return {
            name: {"kernel": jnp.asarray(random.normal(size=shape)), "bias": jnp.asarray(random.normal(size=shape[1]))}
            for name, shape in shapes.items()
        }

    return drawn(), [drawn() for _ in range(6)]


def after_each(transform, params, gradients):
    """The parameters after each step; `transform` is of the number of steps before."""
    state = transform(jnp.int32(0)).init(params)
    for number, gradient in enumerate(gradients):
        updates, state = transform(jnp.int32(number)).update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        yield params


def engines(**settings):
    """What the engine makes of settings, as `after_each` wants it."""
    model, chosen = learner(hidden=[6, 5], **settings), hyper(**settings, dtype=jnp.float64)
    return lambda step: model.optimizer.transformation(chosen, step, model.network)


def equal(one, other, **tolerance):
    for mine, others in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(mine, others, **{"rtol": 1e-13, "atol": 1e-15} | tolerance)


def test_weight_decay_is_adamw_of_optaxs_pieces(tree):
    """Decay comes after Adam and before the learning rate, on the hidden kernels."""

    def optaxs(step):
        return optax.chain(
            optax.scale_by_adam(eps=1e-7 / np.sqrt(1 - 0.999 ** (float(step) + 1))),
            optax.add_decayed_weights(0.3, mask=NETWORK.penalised),
            optax.scale_by_learning_rate(ADAM_RATE),
        )

    for mine, other in zip(after_each(engines(weight_decay=0.3), *tree), after_each(optaxs, *tree), strict=True):
        equal(mine, other, rtol=1e-10, atol=1e-12)


def test_weight_decay_without_a_gradient_is_a_factor(tree):
    """With SGD hidden kernels shrink by 1 - rate * decay, nothing else moves."""
    params, gradients = tree
    still = [jax.tree.map(jnp.zeros_like, gradient) for gradient in gradients]
    for number, after in enumerate(after_each(engines(weight_decay=0.5, **SGD), params, still), 1):
        kept = jax.tree.map(
            lambda w, acted_on, number=number: w * (1 - 0.1 * 0.5) ** number if acted_on else w,
            params,
            NETWORK.penalised(params),
        )
        equal(after, kept)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_by_definition(tree, nesterov):
    """Keras's: v <- m v - rate g; w <- w + v, or w + m v - rate g. The rate that drops is that of each step."""
    params, gradients = tree
    drop = {"name": "step", "epochs": [1], "factor": 0.1}  # 4 steps an epoch
    rule = {"name": "sgd", "momentum": 0.9, "nesterov": nesterov}
    mine = after_each(
        engines(optimizer=rule, learning_rate=0.1, schedule=drop, epochs=2, batch_size=250), params, gradients
    )
    velocity = jax.tree.map(jnp.zeros_like, params)
    for number, (found, gradient) in enumerate(zip(mine, gradients, strict=True)):
        rate = 0.1 if number < 4 else 0.01
        velocity = jax.tree.map(lambda v, g, rate=rate: 0.9 * v - rate * g, velocity, gradient)
        step = jax.tree.map(lambda v, g, rate=rate: 0.9 * v - rate * g if nesterov else v, velocity, gradient)
        params = optax.apply_updates(params, step)
        equal(found, params)


def test_max_norm_is_of_all_weights_into_a_unit():
    """Of a convolution: its window and its features, as of the dense layer that does the same at one place."""
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 4, 5))
    flat = kernel.reshape(-1, 5)
    limited, dense = (
        max_norm(jnp.float32(1)).update(jnp.zeros_like(w), optax.EmptyState(), w)[0] for w in (kernel, flat)
    )
    np.testing.assert_allclose(np.linalg.norm((kernel + limited).reshape(-1, 5), axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(limited.reshape(-1, 5), dense, rtol=1e-5)


def test_max_norm_scales_long_columns_of_hidden_kernels_alone(tree):
    """One step beside the same one without a limit: columns to norm / (norm + 1e-7) of the limit or of themselves."""
    params, gradients = tree
    (free,), (limited,), (huge,) = (
        after_each(engines(**more), params, gradients[:1]) for more in ({}, {"max_norm": 2.5}, {"max_norm": 1e6})
    )
    longer = []
    for layer in params:
        np.testing.assert_array_equal(limited[layer]["bias"], free[layer]["bias"])
        if layer == "output":
            np.testing.assert_array_equal(limited[layer]["kernel"], free[layer]["kernel"])
            continue
        kernel = np.asarray(free[layer]["kernel"])
        norms = np.linalg.norm(kernel, axis=0)
        longer += list(norms > 2.5)
        expected = kernel * np.minimum(norms, 2.5) / (norms + 1e-7)
        np.testing.assert_allclose(limited[layer]["kernel"], expected, rtol=1e-12)
        np.testing.assert_allclose(huge[layer]["kernel"], kernel, rtol=1e-6)
    assert any(longer) and not all(longer)


def test_no_column_is_ever_longer_than_the_limit(dataset):
    """In a training; the output's columns, which start longer, are as free as before."""
    model, chosen = learner(hidden=[8, 6], max_norm=0.6), hyper(hidden=[8, 6], max_norm=0.6, learning_rate=0.01)
    data, state = placed(dataset.train), training.start(model, chosen)
    step = jax.jit(lambda state, batch: training.train_epoch(model, chosen, state, batch, data)[0])
    longest = 0.0
    for batch in in_batches(np.arange(100), 10):
        state = step(state, jnp.asarray(batch[None]))
        norms = {name: np.linalg.norm(layer["kernel"], axis=0) for name, layer in state.weights.params.items()}
        for name in ("hidden_0", "hidden_1"):
            assert norms[name].max() <= 0.6 * (1 + 1e-6)
        assert norms["output"].max() > 0.7
        longest = max(longest, norms["hidden_1"].max())
    assert longest > 0.6 * (1 - 1e-6), "some reach it"
    assert any(np.any(layer["bias"]) for layer in state.weights.params.values())
