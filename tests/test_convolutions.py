"""Convolutions as products: the same numbers to rounding, with gradients, whatever the convolution is."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as some
from jax import lax

from jaxreg.engine.convolutions import as_products, convolves
from jaxreg.engine.own_networks import register

AXES = {
    1: [("NWC", "WIO", "NWC"), ("NCW", "OIW", "NWC")],
    2: [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NHWC", "OIHW", "NCHW")],
    3: [("NDHWC", "DHWIO", "NDHWC")],
}


@some.composite
def convolutions(draw: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Images, a kernel, and how the one moves over the other."""
    places = draw(some.integers(1, 3))

    def each(of: Any) -> list[Any]:
        return draw(some.lists(of, min_size=places, max_size=places))

    groups = draw(some.sampled_from([1, 1, 2, 3]))
    features, outputs = groups * draw(some.integers(1, 2)), groups * draw(some.integers(1, 3))
    axes = draw(some.sampled_from(AXES[places]))
    random = np.random.default_rng(draw(some.integers(0, 9)))

    def laid_out(spec: str, sizes: dict[str, int]) -> Any:
        return jnp.asarray(random.standard_normal([sizes[axis] for axis in spec], np.float32))

    lengths = dict(zip("DHW"[-places:], each(some.integers(6, 9)), strict=True))
    window = dict(zip("DHW"[-places:], each(some.integers(1, 3)), strict=True))
    images = laid_out(axes[0], {"N": 2, "C": features, **lengths})
    kernel = laid_out(axes[1], {"I": features // groups, "O": outputs, **window})
    how = {
        "window_strides": each(some.integers(1, 2)),
        # No wider than the window reaches: of more, XLA's own gradient on a CPU is wrong in JAX 0.7.2.
        "padding": [(draw(some.integers(0, size - 1)), draw(some.integers(0, size - 1))) for size in window.values()],
        "lhs_dilation": each(some.integers(1, 2)),
        "rhs_dilation": each(some.integers(1, 2)),
        "dimension_numbers": axes,
        "feature_group_count": groups,
    }
    return images, kernel, how


@settings(max_examples=20, derandomize=True)  # each is compiled
@given(convolutions())
def test_values_and_gradients_are_those_of_the_convolution(one: tuple[Any, Any, dict[str, Any]]) -> None:
    images, kernel, how = one

    def theirs(images: Any, kernel: Any) -> Any:
        return lax.conv_general_dilated(images, kernel, **how)

    ours = as_products(jax.jit(theirs))  # wrapped, as flax wraps parts of a network
    assert convolves(jax.make_jaxpr(theirs)(images, kernel)) and not convolves(jax.make_jaxpr(ours)(images, kernel))

    def all_of(function: Any) -> Any:
        def summed(*given: Any) -> Any:
            value = function(*given)
            return jnp.dot(jnp.cos(jnp.arange(value.size, dtype=jnp.float32)), value.reshape(-1)), value

        (_, value), gradients = jax.jit(jax.value_and_grad(summed, (0, 1), has_aux=True))(images, kernel)
        return value, *gradients

    for expected, found in zip(all_of(theirs), all_of(ours), strict=True):
        assert found.shape == expected.shape and found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_rest_of_a_program_is_as_it_was() -> None:
    """What has no convolution comes out bit for bit, whatever it is made of."""

    def program(x: Any, key: Any) -> Any:
        kept = jax.random.bernoulli(key, 0.5, x.shape)
        looped, _ = lax.scan(lambda sum, row: (sum + row, row), jnp.zeros(x.shape[1]), jax.nn.gelu(x))
        return {"a": jnp.where(kept, x, 0), "b": [lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, looped), 3.0]}

    given = jnp.linspace(-1, 1, 12).reshape(3, 4), jax.random.key(1)
    jax.tree.map(np.testing.assert_array_equal, as_products(program)(*given), program(*given))


@pytest.mark.parametrize("where", ["large", "in a loop"])
def test_what_is_no_product_stays_a_convolution(where: str) -> None:
    """A kernel of many places, and one in a loop: they train as ever, and the digest knows nothing of it."""

    def program(x: Any, kernel: Any) -> Any:
        def once(x: Any, _: Any = None) -> Any:
            moved = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=AXES[2][0])
            return moved, None

        return once(x)[0] if where == "large" else lax.scan(once, x, length=2)[0]

    size = 8 if where == "large" else 3
    images, kernel = jnp.ones((2, 9, 9, 1)), jnp.ones((size, size, 1, 1))
    assert convolves(jax.make_jaxpr(as_products(program))(images, kernel))
    np.testing.assert_array_equal(as_products(program)(images, kernel), program(images, kernel))


class Pooled(nn.Module):
    """As courses have them."""

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = x.reshape(-1, 28, 28, 1)
        x = nn.max_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.relu(nn.Conv(6, (3, 3), feature_group_count=2, padding="VALID")(x))
        return nn.Dense(10)(nn.Dropout(0.2, deterministic=not train)(x.mean((1, 2))))


class Moved(nnx.Module):
    """An NNX module with a transposed convolution."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(1, 3, (5, 5), strides=4, rngs=rngs)
        self.second = nnx.ConvTranspose(3, 2, (3, 3), strides=2, rngs=rngs)
        self.last = nnx.Linear(14 * 14 * 2, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.first(x.reshape(-1, 28, 28, 1)))
        return self.last(self.second(x).reshape(x.shape[0], -1))


@pytest.mark.parametrize("network", [Pooled(), Moved], ids=["Linen", "NNX"])
def test_networks_of_others_have_none_left(network: Any) -> None:
    """Whichever library made them: what the engine trains gives what the module gives, in training and after it."""
    from jaxreg.engine.flax_modules import functions_of

    init, apply, _ = functions_of(network)
    own = register(network, (784,), 10)
    assert own.convolves and own.side_by_side
    key, images = jax.random.key(3), jax.random.uniform(jax.random.key(4), (5, 784))
    params, state = init(key, images)
    weights = own.init(key, images)
    for train in (True, False):
        expected, moved = apply(params, state, images, train=train, key=key if train else None)
        found, statistics = own.apply(weights, images, key=key if train else None)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), statistics, moved)
    program = jax.make_jaxpr(lambda weights: own.apply(weights, images, key=key))(weights)
    assert not convolves(program)
