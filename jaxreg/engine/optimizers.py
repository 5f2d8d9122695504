"""Keras's penalties, optimizers and constraint, as Optax transformations.

The penalised loss of a batch is  mean loss + l1 * sum|w| + l2 * sum w^2  over the penalised kernels w: no factor 1/2,
no mean over weights, nothing on biases (`keras.regularizers.L1L2`). The penalties enter as gradients *before* Adam;
after it they would be decoupled weight decay, which is another method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jaxreg.engine.networks import Network, Params
from jaxreg.engine.own_optimizers import OwnOptimizer
from jaxreg.engine.penalties import ANY, Penalties, WeightNorms, weight_norms
from jaxreg.spec.rules import OptimizerRule, ScheduleRule


def add_l1(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum|w|``; 0 at w = 0, where autodiff in JAX would give ``strength``."""
    return optax.stateless(
        lambda updates, params: jax.tree.map(lambda g, w: g + strength * jnp.sign(w), updates, params)
    )


def add_l2(strength: Float[Array, ""]) -> optax.GradientTransformation:
    """Adds the gradient of ``strength * sum w^2``: Keras has no factor 1/2, hence the 2."""
    return optax.add_decayed_weights(2.0 * strength)


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's


class Moments(NamedTuple):
    """Adam's running means of the gradient and of its square, shaped like the parameters."""

    mean: Params
    square: Params


def scale_by_keras_adam(step: Int[Array, ""]) -> optax.GradientTransformation:
    """Adam with Keras's "epsilon-hat": eps is added to sqrt(v) *before* the bias correction.

    Section 2 of Kingma & Ba, arXiv 1412.6980, last remark; `keras/src/optimizers/adam.py`. Optax adds eps after
    the correction, which no constant eps can imitate: it differs for weights with tiny gradients. `step` is the
    number of steps taken before this one.
    """

    def init(params: Params) -> Moments:
        return Moments(jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))

    def update(updates: Params, state: Moments, params: Params | None = None) -> tuple[Params, Moments]:
        t = (step + 1).astype(jnp.result_type(float))
        correction = jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        mean = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), state.mean, updates)
        square = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), state.square, updates)
        scaled = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + EPSILON), mean, square)
        return scaled, Moments(mean, square)

    return optax.GradientTransformation(init, update)


def adam_step_sizes(moments: Moments, step: Int[Array, ""], learning_rate: Float[Array, ""]) -> Params:
    """What the step just made multiplied each weight's bias-corrected mean gradient with."""
    t = (step + 1).astype(jnp.result_type(float))
    return jax.tree.map(lambda v: learning_rate * jnp.sqrt(1 - BETA_2**t) / (jnp.sqrt(v) + EPSILON), moments.square)


class StepSize(NamedTuple):
    """What SGD's velocity would be under a gradient that was always -1: of rates that change, too."""

    sum: Float[Array, ""]


def track_step_size(rate: Float[Array, ""], momentum: float) -> optax.GradientTransformation:
    """Leaves updates as they are and knows the size of a step with momentum, about rate / (1 - momentum)."""

    def update(updates: Params, state: StepSize, params: Params | None = None) -> tuple[Params, StepSize]:
        return updates, StepSize(momentum * state.sum + rate)

    return optax.GradientTransformation(lambda _: StepSize(jnp.zeros_like(rate)), update)


def soft_threshold(
    inner: optax.GradientTransformation,
    strength: Float[Array, ""],
    step_sizes: Callable[[Any, Params], Params],
    penalised: Callable[[Params], Any],
) -> optax.GradientTransformation:
    """L1 exactly: after the inner step, weights move towards 0 by step size times strength, and stop there.

    The proximal operator of `strength * sum|w|` in the metric of an adaptive method is soft thresholding by each
    weight's own step size (Yun, Lozano and Yang, "Adaptive proximal gradient methods for structured neural networks",
    NeurIPS 2021, with Adam's diagonal). So a weight at 0 stays there while its bias-corrected mean gradient is
    no larger than the strength, and a weight that no gradient reaches has a step size of about
    learning_rate * sqrt(1 - 0.999^t) / 1e-7: it is 0 at once, or within some steps where the strength is tiny.

    Args:
        inner: makes the step, learning rate included.
        strength: of L1.
        step_sizes: of each weight, from the inner state after the step and the updates.
        penalised: which weights it is about.
    """

    def update(updates: Params, state: Any, params: Params | None = None) -> tuple[Params, Any]:
        updates, state = inner.update(updates, state, params)

        def shrunk(update: Array, w: Array, size: Array, acted_on: bool) -> Array:
            moved = w + update
            nearer = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - strength * size, 0)
            return nearer - w if acted_on else update  # w + (0 - w) is 0, to the last bit

        return jax.tree.map(shrunk, updates, params, step_sizes(state, updates), penalised(updates)), state

    return optax.GradientTransformation(inner.init, update)


def max_norm(limit: Float[Array, ""]) -> optax.GradientTransformation:
    """After the step, the weights into a unit (of a dense layer a column) are scaled to a norm of `limit` at most.

    `keras.constraints.MaxNorm` over all axes but the last, which is the units'. It divides by norm + 1e-7 whether they
    are too long or not.
    """

    def constrained(update: Array, w: Array) -> Array:
        moved = w + update
        norm = jnp.sqrt(jnp.sum(moved * moved, axis=tuple(range(w.ndim - 1)), keepdims=True))
        return moved * (jnp.clip(norm, 0, limit) / (EPSILON + norm)) - w

    return optax.stateless(lambda updates, params: jax.tree.map(constrained, updates, params))


@dataclass(frozen=True)
class Schedule:
    """What the learning rate is multiplied by, by step: a rule with its epochs counted in steps."""

    rule: ScheduleRule
    steps_per_epoch: int
    epochs: int

    def __call__(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The factor of the step after `step` others."""
        if self.rule.name == "cosine":
            return optax.cosine_decay_schedule(1.0, self.epochs * self.steps_per_epoch)(step)
        drops = {epoch * self.steps_per_epoch: self.rule.factor for epoch in self.rule.epochs}
        return optax.piecewise_constant_schedule(1.0, drops)(step)


@dataclass(frozen=True)
class Optimizer:
    """From a member's hyperparameters to its Optax transformation. Frozen: programs are compiled for it.

    What costs a pass over the weights in every step is in the program only where a member asks for it.
    """

    rule: OptimizerRule = OptimizerRule()
    schedule: Schedule | None = None  # none: the learning rate is constant
    exact: bool = False  # l1_exact is above 0
    constrained: bool = False  # max_norm is not off
    own: OwnOptimizer | None = None  # in the place of the rule
    penalties: Penalties = ANY

    def transformation(self, hyper: Any, step: Int[Array, ""], network: Network) -> optax.GradientTransformation:
        """The chain of one step. Strengths are traced: a new value is not a new program.

        Args:
            hyper: `Hyperparameters`.
            step: steps taken before this one.
            network: says what is penalised.
        """
        rate, acted_on = hyper.learning_rate, network.penalised
        if self.schedule is not None:
            rate = rate * self.schedule(step)
        made = optax.chain(  # as long without a penalty, so that a saved state fits a sweep that got one since
            optax.masked(add_l1(hyper.l1), acted_on) if self.penalties.l1 else optax.identity(),
            optax.masked(add_l2(hyper.l2), acted_on) if self.penalties.l2 else optax.identity(),
            *self._step(hyper._replace(learning_rate=rate), step, acted_on),
        )
        if self.exact:
            made = soft_threshold(made, hyper.l1_exact, partial(self._sizes, step, rate), acted_on)
        if self.constrained:
            made = optax.chain(made, optax.masked(max_norm(hyper.max_norm), acted_on))
        return made

    def norms(self, network: Network, params: Params) -> WeightNorms:
        """What the penalty of a step is made of: 0 where nobody has one."""
        return weight_norms(network, params, self.penalties.l1 or self.exact, self.penalties.l2)

    def _step(
        self, hyper: Any, step: Int[Array, ""], acted_on: Callable[[Params], Any]
    ) -> tuple[optax.GradientTransformation, ...]:
        """The step with decoupled weight decay, times the learning rate (Loshchilov & Hutter, arXiv 1711.05101)."""
        if self.own is not None:  # which knows itself whether, and where, weights decay
            return (self.own.make(hyper),)
        rate, decay = hyper.learning_rate, hyper.weight_decay
        scaled = optax.scale_by_learning_rate(rate)
        if self.rule.name == "adam":  # the chain of Optax's AdamW, which is Keras's
            return scale_by_keras_adam(step), optax.masked(optax.add_decayed_weights(decay), acted_on), scaled
        # Keras's velocity has the learning rate of each step in it; Optax's own chain is the other way round.
        momentum, nesterov = self.rule.momentum, self.rule.nesterov
        velocity = [optax.trace(momentum, nesterov)] if momentum else []
        sizes = [track_step_size(rate, momentum)] if momentum and self.exact else []
        return scaled, *velocity, *sizes, optax.masked(optax.add_decayed_weights(-rate * decay), acted_on)

    def _sizes(self, step: Int[Array, ""], rate: Float[Array, ""], state: Any, updates: Params) -> Params:
        """The step size of each weight: what the step multiplied its mean gradient with."""
        size = rate
        for part in state:
            if isinstance(part, Moments):
                return adam_step_sizes(part, step, rate)
            if isinstance(part, StepSize):
                size = self.rule.momentum * part.sum + rate if self.rule.nesterov else part.sum
        return jax.tree.map(lambda _: size, updates)
