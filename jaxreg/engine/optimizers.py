"""Keras's L1 and L2 penalties and Keras's Adam, as Optax transformations.

The penalised loss of a batch is  mean cross-entropy + l1 * sum|w| + l2 * sum w^2  over the hidden kernels w: no
factor 1/2, no mean over weights, nothing on biases or on the output kernel (`keras.regularizers.L1L2`). The penalties
enter as gradients *before* Adam; after it they would be decoupled weight decay, which is another method.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

Params = Any  # a pytree of one member's arrays, as Flax names them


def hidden_kernels(params: Params) -> Params:
    """True at the kernels of hidden layers. By path: the output kernel has two axes as well and is not penalised."""

    def is_hidden_kernel(path: tuple[Any, ...], _: Array) -> bool:
        names = [entry.key for entry in path]
        return names[-1] == "kernel" and names[-2] != "output"

    return jax.tree_util.tree_map_with_path(is_hidden_kernel, params)


def add_l1(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum|w|``; 0 at w = 0, where autodiff in JAX would give ``strength``."""
    return optax.stateless(
        lambda updates, params: jax.tree.map(lambda g, w: g + strength * jnp.sign(w), updates, params)
    )


def add_l2(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum w^2``: Keras has no factor 1/2, hence the 2."""
    return optax.add_decayed_weights(2.0 * strength)


class KerasAdamState(NamedTuple):
    """Steps taken, and the running means of the gradient and of its square (shaped like the parameters)."""

    steps: Array
    mean: Params
    square: Params


def scale_by_keras_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-7) -> optax.GradientTransformation:
    """Adam with Keras's "epsilon-hat": eps is added to sqrt(v) *before* the bias correction.

    Section 2 of Kingma & Ba, arXiv 1412.6980, last remark; `keras/src/optimizers/adam.py`. Optax adds eps after
    the correction, which no constant eps can imitate: it differs for weights with tiny gradients.
    """

    def init(params: Params) -> KerasAdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return KerasAdamState(jnp.zeros([], jnp.int32), zeros, jax.tree.map(jnp.zeros_like, params))

    def update(updates: Params, state: KerasAdamState, params: Params | None = None) -> tuple[Params, KerasAdamState]:
        steps = state.steps + 1
        t = steps.astype(jnp.result_type(float))
        correction = jnp.sqrt(1 - b2**t) / (1 - b1**t)
        mean = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.mean, updates)
        square = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), state.square, updates)
        scaled = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mean, square)
        return scaled, KerasAdamState(steps, mean, square)

    return optax.GradientTransformation(init, update)


def penalised_adam(
    l1: Float[Array, ""], l2: Float[Array, ""], learning_rate: Float[Array, ""]
) -> optax.GradientTransformation:
    """One member's optimizer. The strengths are traced: a new value is not a new program."""
    return optax.chain(
        optax.masked(add_l1(l1), hidden_kernels),
        optax.masked(add_l2(l2), hidden_kernels),
        scale_by_keras_adam(),
        optax.scale_by_learning_rate(learning_rate),
    )


def weight_norms(params: Params) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """``(sum|w|, sum w^2)`` over the hidden kernels of one member."""
    kernels = [w for w, hidden in zip(*map(jax.tree.leaves, (params, hidden_kernels(params))), strict=True) if hidden]
    return sum(jnp.sum(jnp.abs(w)) for w in kernels), sum(jnp.sum(w * w) for w in kernels)  # type: ignore[return-value]
