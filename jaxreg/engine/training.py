"""The training of ONE member, as pure functions. Nothing here knows a member axis: `programs` adds it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxreg.axes import AXES
from jaxreg.data.dataset import Part
from jaxreg.engine.networks import Network, Weights
from jaxreg.engine.optimizers import Optimizer
from jaxreg.engine.penalties import WeightNorms, penalty, weight_norms
from jaxreg.engine.products import PIECES, Levels
from jaxreg.engine.tasks import Task
from jaxreg.spec.settings import Precision

INPUT_STREAM = 2**32 - 1  # of a step's key, for noise on the inputs; layers take 0, 1, 2 … for dropout

traces: Counter[str] = Counter()
"""How often `start`, `train_epoch`, `predict` and `score` were traced: a new strength or seed must not add to it."""


class Learner(NamedTuple):
    """What members of one program have in common. Static: another one is another program."""

    network: Network
    task: Task
    optimizer: Optimizer
    inputs: tuple[int, ...]  # shape of one example
    noisy: bool = False  # input_noise is above 0: drawing it takes time even where it is 0
    raw: bool = False  # inputs were standardised when they were read; to subtract 0 and divide by 1 took 4 % of a step
    precision: Precision = "float32"  # of products
    levels: Literal["", "whole", "pieces"] = ""  # 8-bit inputs are given as they are; how to multiply them


class Hyperparameters(NamedTuple):
    """What may differ between members of one program. Traced: a new value is not a new program."""

    l1: Any  # "" strength of L1
    l2: Any  # "" strength of L2
    l1_exact: Any  # "" strength of L1 by soft thresholding
    weight_decay: Any  # "" decoupled, times the learning rate
    max_norm: Any  # "" largest norm of the weights into a unit; infinite: no limit
    learning_rate: Any  # ""
    dropout: Any  # "hidden" rate after each hidden layer
    label_smoothing: Any  # "" share of a label that is spread over all classes
    input_noise: Any  # "" standard deviation of noise on scaled inputs
    shift: Any  # "" subtracted from raw inputs
    scale: Any  # "" what the difference is divided by
    identity: Any  # "4" uint32: sweep seed, split, seed, runs before this one. All randomness of a member is from it.
    # `Scaling` of "feature" and of "quantity" by the rows that the member trains on, where these are not all that the
    # data set was standardised by: in a cross-validation. None of others, whose programs have no such step.
    features: Any = None
    quantities: Any = None
    field_values: Any = None  # "field" of those of somebody's own network that are traced; None where none are


# What an axis calls traced is: scaling by what it subtracts and divides by, the number of examples by their rows, and
# averaging by the rule that decides which weights count.
_ELSEWHERE = {"scaling", "train_examples", "averaged_epochs"}
assert {a.field for a in AXES.values() if a.traced} <= {*Hyperparameters._fields, *_ELSEWHERE}


class State(NamedTuple):
    """One member between two epochs."""

    weights: Weights
    optimizer: Any
    steps: Any  # "" int32, taken so far


class EpochLosses(NamedTuple):
    """Means over an epoch's batches weighted by batch size, weights moving, dropout on: as Keras prints them."""

    loss: Any  # what is trained on, without penalty
    error: Any  # cross-entropy with the labels as they are, or squared error
    penalty: Any


class Evaluation(NamedTuple):
    """Frozen weights, dropout off, running statistics, every example once."""

    loss: Any  # "" mean of what was trained on, without penalty
    error: Any  # "" mean cross-entropy with the labels as they are, or squared error
    score: Any  # "" accuracy, the share of the examples; or mean absolute error
    norms: WeightNorms


def member_key(hyper: Hyperparameters) -> Array:
    """The key of a member: of sweep seed, split and seed only, so that cells are paired."""
    sweep, split, seed, _ = hyper.identity
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(sweep, impl="threefry2x32"), split), seed)


def start(learner: Learner, hyper: Hyperparameters) -> State:
    """Initial weights and a fresh optimizer."""
    traces["start"] += 1
    example = jnp.zeros((1, *learner.inputs))
    return restart(learner, hyper, network_of(learner, hyper).init(jax.random.fold_in(member_key(hyper), 0), example))


def network_of(learner: Learner, hyper: Hyperparameters) -> Network:
    """The member's network, with its own values of fields."""
    return learner.network.at(hyper.field_values)


def restart(learner: Learner, hyper: Hyperparameters, weights: Weights) -> State:
    """Given weights and a fresh optimizer: what compiling a Keras model again does."""
    steps = jnp.zeros([], jnp.int32)
    optimizer = learner.optimizer.transformation(hyper, steps, learner.network)
    return State(weights, optimizer.init(weights.params), steps)


def scaled(learner: Learner, hyper: Hyperparameters, inputs: Array) -> Any:
    """Inputs for the network, "batch *feature", converted a batch at a time: 8-bit images stay 8-bit on the device."""
    if hyper.features is not None:
        return hyper.features.of(inputs)
    if learner.raw:
        return inputs
    if learner.levels:
        pieces = PIECES[learner.precision] if learner.levels == "pieces" else None
        return Levels(inputs, hyper.shift, hyper.scale, pieces)
    return (inputs - hyper.shift) / hyper.scale


def own_unit(hyper: Hyperparameters, quantities: Array) -> Array:
    """Targets as the member learns them, from the data set's."""
    return quantities if hyper.quantities is None else hyper.quantities.of(quantities)


def common_unit(hyper: Hyperparameters, outputs: Array) -> Array:
    """What the member says of targets, as those of the data set: all members are scored in one unit."""
    return outputs if hyper.quantities is None else hyper.quantities.undone(outputs)


def train_epoch(
    learner: Learner, hyper: Hyperparameters, state: State, order: Int[Array, "step batch"], data: Part
) -> tuple[State, EpochLosses]:
    """One pass over the rows in ``order``; -1 pads the last batch and counts for nothing."""
    traces["train_epoch"] += 1
    network, task = network_of(learner, hyper), learner.task
    epoch_key = jax.random.fold_in(member_key(hyper), 1 + hyper.identity[3])

    def step(state: State, rows: Int[Array, " batch"]) -> tuple[State, EpochLosses]:
        weights, valid = state.weights, rows >= 0
        # Where padding can't be masked out of batch statistics, the batch's own rows fill it up; they count once.
        seen = rows if network.masks_padding else rows[jnp.arange(rows.size) % jnp.maximum(jnp.sum(valid), 1)]
        inputs, targets = scaled(learner, hyper, data.inputs[seen]), task.targets(data.targets[seen])
        key = jax.random.fold_in(epoch_key, state.steps)
        if learner.noisy:
            noise = jax.random.normal(jax.random.fold_in(key, INPUT_STREAM), inputs.shape, inputs.dtype)
            inputs = inputs + hyper.input_noise * noise

        def mean(values: Float[Array, " batch"]) -> Float[Array, ""]:
            return jnp.sum(jnp.where(valid, values, 0.0)) / jnp.sum(valid)

        def loss(params: Any) -> tuple[Array, Any]:
            moved = weights._replace(params=params)
            outputs, statistics = network.apply(moved, inputs, valid=valid, rates=hyper.dropout, key=key)
            errors = task.errors(outputs, own_unit(hyper, targets))
            losses = task.losses(errors, task.predictions(outputs), targets, hyper.label_smoothing)
            if hyper.quantities is not None:
                errors = task.errors(common_unit(hyper, outputs), targets)
            return mean(losses), (mean(errors), statistics)

        (own, (error, statistics)), gradient = jax.value_and_grad(loss, has_aux=True)(weights.params)
        norms = learner.optimizer.norms(network, weights.params)
        # Wait for the last of all that reads the old weights: else XLA copies them each step, to update the copy.
        # 7 % of the step on a CPU.
        last = network.last_gradient(gradient) + norms.absolute + norms.square
        learning_rate = jnp.where(jnp.isnan(last), jnp.nan, hyper.learning_rate)
        optimizer = learner.optimizer.transformation(hyper._replace(learning_rate=learning_rate), state.steps, network)
        updates, moments = optimizer.update(gradient, state.optimizer, weights.params)
        new = Weights(optax.apply_updates(weights.params, updates), statistics)
        return State(new, moments, state.steps + 1), EpochLosses(own, error, penalty(hyper, norms))

    state, losses = jax.lax.scan(step, state, order)
    examples = jnp.sum(order >= 0, axis=1)
    return state, jax.tree.map(lambda mean: jnp.sum(mean * examples) / jnp.sum(examples), losses)


def rest(learner: Learner, hyper: Hyperparameters, state: State, order: Array, data: Part) -> tuple[State, EpochLosses]:
    """An epoch of a member that stopped: it stays as it is."""
    return state, EpochLosses(*[jnp.nan * hyper.l1] * len(EpochLosses._fields))


def predict(
    learner: Learner,
    hyper: Hyperparameters,
    weights: Weights,
    batches: Int[Array, "step batch"],
    steps: Int[Array, ""],
    data: Part,
) -> Float[Array, "example output"]:
    """What is kept of the outputs for the rows of the first ``steps`` batches; 0 for the others."""
    traces["predict"] += 1

    def one(step: Int[Array, ""], kept: Float[Array, "step batch output"]) -> Float[Array, "step batch output"]:
        outputs, _ = network_of(learner, hyper).apply(weights, scaled(learner, hyper, data.inputs[batches[step]]))
        return kept.at[step].set(learner.task.predictions(common_unit(hyper, outputs)))

    nothing = jnp.zeros((*batches.shape, learner.task.outputs), hyper.l1.dtype)
    return jax.lax.fori_loop(0, steps, one, nothing).reshape(batches.size, -1)


def score(
    learner: Learner,
    hyper: Hyperparameters,
    weights: Weights,
    predictions: Float[Array, "padded output"],
    rows: Int[Array, " example"],
    data: Part,
) -> Evaluation:
    """The scores of the predictions for these rows, which come first among them; -1 is no row."""
    traces["score"] += 1
    kept, valid, count = predictions[: rows.size], rows >= 0, jnp.sum(rows >= 0)
    targets = learner.task.targets(data.targets[rows])
    errors, beside = learner.task.scores(kept, targets)
    trained = errors
    if hyper.quantities is not None:
        trained = learner.task.errors(own_unit(hyper, kept), own_unit(hyper, targets))
    losses = learner.task.losses(trained, kept, targets, hyper.label_smoothing)
    loss, error, score = (jnp.sum(jnp.where(valid, values, 0.0)) / count for values in (losses, errors, beside))
    return Evaluation(loss, error, score, weight_norms(learner.network, weights.params))


def chosen(learner: Learner | None, new: Bool[Array, ""], one: Any, other: Any) -> Any:
    """One member or the other: the new one where that is wanted."""
    return jax.tree.map(lambda a, b: jnp.where(new, a, b), one, other)
