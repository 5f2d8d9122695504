"""Keras's L1 and L2 penalties and Keras's Adam, as Optax transformations.

The penalised loss of a batch is  mean loss + l1 * sum|w| + l2 * sum w^2  over the penalised kernels w: no factor 1/2,
no mean over weights, nothing on biases (`keras.regularizers.L1L2`). The penalties enter as gradients *before* Adam;
after it they would be decoupled weight decay, which is another method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jaxreg.engine.networks import Network, Params


def add_l1(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum|w|``; 0 at w = 0, where autodiff in JAX would give ``strength``."""
    return optax.stateless(
        lambda updates, params: jax.tree.map(lambda g, w: g + strength * jnp.sign(w), updates, params)
    )


def add_l2(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum w^2``: Keras has no factor 1/2, hence the 2."""
    return optax.add_decayed_weights(2.0 * strength)


class Moments(NamedTuple):
    """Running means of the gradient and of its square, shaped like the parameters."""

    mean: Params
    square: Params


def scale_by_keras_adam(
    step: Int[Array, ""], b1: float = 0.9, b2: float = 0.999, eps: float = 1e-7
) -> optax.GradientTransformation:
    """Adam with Keras's "epsilon-hat": eps is added to sqrt(v) *before* the bias correction.

    Section 2 of Kingma & Ba, arXiv 1412.6980, last remark; `keras/src/optimizers/adam.py`. Optax adds eps after
    the correction, which no constant eps can imitate: it differs for weights with tiny gradients.

    Args:
        step: steps taken before this one.
        b1, b2: decay of the two running means.
        eps: see above.
    """

    def init(params: Params) -> Moments:
        return Moments(jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))

    def update(updates: Params, state: Moments, params: Params | None = None) -> tuple[Params, Moments]:
        t = (step + 1).astype(jnp.result_type(float))
        correction = jnp.sqrt(1 - b2**t) / (1 - b1**t)
        mean = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.mean, updates)
        square = jax.tree.map(lambda v, g: v + (1 - b2) * (g * g - v), state.square, updates)
        scaled = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mean, square)
        return scaled, Moments(mean, square)

    return optax.GradientTransformation(init, update)


@dataclass(frozen=True)
class Optimizer:
    """From a member's hyperparameters to its Optax transformation. Frozen: programs are compiled for it."""

    def transformation(self, hyper: Any, step: Int[Array, ""], network: Network) -> optax.GradientTransformation:
        """The chain of one step. Strengths are traced: a new value is not a new program.

        Args:
            hyper: `Hyperparameters`.
            step: steps taken before this one.
            network: says what is penalised.
        """
        return optax.chain(
            optax.masked(add_l1(hyper.l1), network.penalised),
            optax.masked(add_l2(hyper.l2), network.penalised),
            scale_by_keras_adam(step),
            optax.scale_by_learning_rate(hyper.learning_rate),
        )


class WeightNorms(NamedTuple):
    """Sums over the penalised kernels of one member."""

    absolute: Any  # "" sum|w|
    square: Any  # "" sum w^2


def weight_norms(network: Network, params: Params) -> WeightNorms:
    """``sum|w|`` and ``sum w^2`` over the penalised kernels of one member."""
    marked = zip(*map(jax.tree.leaves, (params, network.penalised(params))), strict=True)
    kernels = [w for w, penalised in marked if penalised]
    return WeightNorms(sum(jnp.sum(jnp.abs(w)) for w in kernels), sum(jnp.sum(w * w) for w in kernels))


def penalty(strengths: Any, norms: WeightNorms) -> Any:
    """What the penalties add to the loss; `strengths` has `l1` and `l2`, on the host (settings) or traced."""
    return strengths.l1 * norms.absolute + strengths.l2 * norms.square
