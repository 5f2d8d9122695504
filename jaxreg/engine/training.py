"""The training of ONE member, as pure functions. Nothing here knows a member axis: `programs` adds it."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt8

from jaxreg.engine.networks import MLP
from jaxreg.engine.optimizers import penalised_adam, weight_norms

EVALUATION_BATCH = 1000

traces: Counter[str] = Counter()
"""How often each function below was traced: a new strength, seed or split must not add to it."""


class Hyperparameters(NamedTuple):
    """What may differ between members of one program. Traced: a new value is not a new program."""

    l1: Any  # "" strength of L1
    l2: Any  # "" strength of L2
    learning_rate: Any  # ""
    dropout: Any  # "hidden" rate after each hidden layer
    shift: Any  # "" subtracted from raw pixels (0 to 255)
    scale: Any  # "" what the difference is divided by
    identity: Any  # "4" uint32: sweep seed, split, seed, runs before this one. All randomness of a member is from it.


class Weights(NamedTuple):
    """What a trained network is: parameters, and the running statistics of batch normalisation (may be empty)."""

    params: Any
    statistics: Any


class State(NamedTuple):
    """One member between two epochs."""

    weights: Weights
    optimizer: Any


class EpochLosses(NamedTuple):
    """Means over an epoch's batches weighted by batch size, weights moving, dropout on: as Keras prints them."""

    cross_entropy: Any
    penalty: Any


class Evaluation(NamedTuple):
    """Frozen weights, dropout off, running statistics, every image once."""

    cross_entropy: Any  # "" mean, without penalty
    accuracy: Any  # "" share of the images
    weight_l1: Any  # "" sum|w| over the hidden kernels
    weight_l2: Any  # "" sum w^2
    log_probabilities: Any  # "image class"


def member_key(hyper: Hyperparameters) -> Array:
    """The key of a member: of sweep seed, split and seed only, so that cells are paired."""
    sweep, split, seed, _ = hyper.identity
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(sweep), split), seed)


def start(model: MLP, hyper: Hyperparameters) -> State:
    """Initial weights and a fresh optimizer."""
    traces["start"] += 1
    pixels = jnp.zeros((1, 784))
    variables = model.init(jax.random.fold_in(member_key(hyper), 0), pixels)
    return restart(model, hyper, Weights(variables["params"], variables.get("batch_stats", {})))


def restart(model: MLP, hyper: Hyperparameters, weights: Weights) -> State:
    """Given weights and a fresh optimizer: what compiling a Keras model again does."""
    optimizer = penalised_adam(hyper.l1, hyper.l2, hyper.learning_rate)
    return State(weights, optimizer.init(weights.params))


def scaled(hyper: Hyperparameters, pixels: UInt8[Array, "batch pixel"]) -> Float[Array, "batch pixel"]:
    """Pixels as the network sees them, converted a batch at a time: images stay uint8 on the device."""
    return (pixels - hyper.shift) / hyper.scale


def train_epoch(
    model: MLP,
    hyper: Hyperparameters,
    state: State,
    order: Int[Array, "step batch"],
    images: UInt8[Array, "example pixel"],
    labels: UInt8[Array, " example"],
) -> tuple[State, EpochLosses]:
    """One pass over the rows in ``order``; -1 pads the last batch and counts for nothing."""
    traces["train_epoch"] += 1
    dropout_key = jax.random.fold_in(member_key(hyper), 1 + hyper.identity[3])

    def step(carry: tuple[State, Array], rows: Int[Array, " batch"]) -> tuple[tuple[State, Array], EpochLosses]:
        state, count = carry
        valid = rows >= 0
        pixels = scaled(hyper, images[rows])

        def cross_entropy(params: Any) -> tuple[Array, Any]:
            logits, updated = model.apply(
                {"params": params, "batch_stats": state.weights.statistics},
                pixels,
                train=True,
                valid=valid,
                rates=hyper.dropout,
                key=jax.random.fold_in(dropout_key, count),
                mutable=["batch_stats"],
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows].astype(jnp.int32))
            return jnp.sum(jnp.where(valid, losses, 0.0)) / jnp.sum(valid), updated.get("batch_stats", {})

        params = state.weights.params
        (loss, statistics), gradient = jax.value_and_grad(cross_entropy, has_aux=True)(params)
        sum_absolute, sum_square = weight_norms(params)
        # Wait for the last of all that reads the old weights: else XLA copies them each step, to update the copy.
        # 7 % of the step on a CPU.
        last = jnp.sum(gradient["hidden_0"]["bias"]) + sum_absolute + sum_square
        learning_rate = jnp.where(jnp.isnan(last), jnp.nan, hyper.learning_rate)
        optimizer = penalised_adam(hyper.l1, hyper.l2, learning_rate)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, params)
        new = State(Weights(optax.apply_updates(params, updates), statistics), optimizer_state)
        return (new, count + 1), EpochLosses(loss, hyper.l1 * sum_absolute + hyper.l2 * sum_square)

    steps_before = optax.tree_utils.tree_get(state.optimizer, "steps")
    (state, _), losses = jax.lax.scan(step, (state, steps_before), order)
    examples = jnp.sum(order >= 0, axis=1)
    return state, jax.tree.map(lambda mean: jnp.sum(mean * examples) / jnp.sum(examples), losses)


def train_epoch_if(
    model: MLP, hyper: Hyperparameters, state: State, active: Array, order: Array, images: Array, labels: Array
) -> tuple[State, EpochLosses]:
    """`train_epoch` for a member that still trains; one that stopped stays as it is, at no cost in a block of one."""
    nothing = EpochLosses(jnp.nan * hyper.l1, jnp.nan * hyper.l1)
    return jax.lax.cond(
        active,
        lambda: train_epoch(model, hyper, state, order, images, labels),
        lambda: (state, nothing),
    )


def evaluate(
    model: MLP,
    hyper: Hyperparameters,
    weights: Weights,
    rows: Int[Array, "step batch"],
    images: UInt8[Array, "example pixel"],
    labels: UInt8[Array, " example"],
) -> Evaluation:
    """Cross-entropy, accuracy and log-probabilities over the rows; -1 pads the last batch."""
    traces["evaluate"] += 1

    def log_probabilities(batch: Int[Array, " batch"]) -> Float[Array, "batch class"]:
        variables = {"params": weights.params, "batch_stats": weights.statistics}
        logits = model.apply(variables, scaled(hyper, images[batch]))
        return jax.nn.log_softmax(cast(Array, logits))

    log_p = jax.lax.map(log_probabilities, rows).reshape(rows.size, -1)
    flat = rows.reshape(-1)
    truth = labels[flat].astype(jnp.int32)
    valid, count = flat >= 0, jnp.sum(flat >= 0)
    losses = -jnp.take_along_axis(log_p, truth[:, None], axis=1)[:, 0]
    right = jnp.argmax(log_p, axis=1) == truth
    cross_entropy = jnp.sum(jnp.where(valid, losses, 0.0)) / count
    accuracy = jnp.sum(right & valid) / count
    return Evaluation(cross_entropy, accuracy, *weight_norms(weights.params), log_p)
