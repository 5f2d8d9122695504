"""The same training in Keras, on its JAX backend: built from the same settings, given the same batches.

Keras gets logits from a linear last layer: on the JAX backend its loss of probabilities is clipped.
"""

from __future__ import annotations

import types
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_member import learner

from jaxreg.data.dataset import Part
from jaxreg.engine import optimizers, training
from jaxreg.engine.grouping import in_batches
from jaxreg.spec.settings import Settings

keras = pytest.importorskip("keras")

HIDDEN = (16, 12)
ROWS = 424  # 13 batches of 32 and one of 8
STEPS = 14  # of an epoch


def some_rows(data, epochs):
    """The data of all cases: images, labels and the batches of every epoch."""
    random = np.random.default_rng(0)
    orders = [in_batches(random.permutation(ROWS), 32) for _ in range(epochs)]
    return types.SimpleNamespace(
        images=data.train.inputs[:ROWS], labels=data.train.targets[:ROWS], order=np.concatenate(orders)
    )


def network(**settings):
    return learner(examples=ROWS, **{"hidden": HIDDEN, **settings})


def first_state(model, chosen):
    """First weights, in the precision of the hyperparameters."""
    weights = training.start(model, chosen).weights
    return training.restart(model, chosen, jax.tree.map(lambda leaf: leaf.astype(chosen.l1.dtype), weights))


def keras_model(**settings):
    """What these settings are in Keras."""
    given = Settings(**{"hidden": HIDDEN, **settings})

    def dense(width, acted_on, **more):
        if acted_on:
            more["kernel_regularizer"] = keras.regularizers.L1L2(given.l1, given.l2)
            more["kernel_constraint"] = given.max_norm and keras.constraints.MaxNorm(given.max_norm, axis=0)
        return keras.layers.Dense(width, use_bias=given.biases, **more)

    stack = [keras.Input((784,))]
    for layer, width in enumerate(given.hidden):
        stack.append(dense(width, True, activation="relu"))
        if given.batch_norm:
            stack.append(keras.layers.BatchNormalization())
        if any(given.dropout_rates):
            stack.append(keras.layers.Dropout(given.dropout_rates[layer], seed=layer))
    last = "softmax" if given.loss == "squared" else "linear"
    model = keras.Sequential([*stack, dense(10, given.penalised == "all", activation=last)])
    compile_anew(model, given)
    return model


def compile_anew(model, given=None):
    given = given or Settings()
    optimizer = optimizer_of(given)
    if given.weight_decay:
        decayed = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        decayed = decayed if given.penalised == "all" else decayed[:-1]
        spared = [w for w in model.trainable_variables if not any(w is kernel for kernel in decayed)]
        optimizer.exclude_from_weight_decay(var_list=spared)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if given.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=given.label_smoothing)
    if given.loss == "squared":
        loss = keras.losses.MeanSquaredError()
    model.compile(optimizer=optimizer, loss=loss)


def optimizer_of(given):
    rate, decay, rule = learning_rate(given), given.weight_decay or None, given.optimizer
    if rule.name == "sgd":
        return keras.optimizers.SGD(rate, momentum=rule.momentum, nesterov=rule.nesterov, weight_decay=decay)
    return keras.optimizers.AdamW(rate, weight_decay=decay) if decay else keras.optimizers.Adam(rate)


def learning_rate(given):
    """A number, or one of Keras's schedules."""
    rate, rule = given.learning_rate, given.schedule
    if rule.name == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, decay_steps=given.epochs * STEPS)
    if rule.name == "step":
        # Keras's boundary is the last step before the drop.
        boundaries = [epoch * STEPS - 1 for epoch in rule.epochs]
        rates = [rate * rule.factor**drops for drops in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return rate


def to_keras(weights):
    """Our weights in the order in which Keras lists its own."""
    params, moving, arrays = weights.params, weights.statistics, []
    for layer in range(sum(name.startswith("hidden") for name in params)):
        arrays += _dense(params[f"hidden_{layer}"])
        if moving:
            trained, running = (tree[f"batch_norm_{layer}"] for tree in (params, moving))
            arrays += [trained["scale"], trained["bias"], running["mean"], running["var"]]
    return [np.asarray(array) for array in (*arrays, *_dense(params["output"]))]


def _dense(layer):
    return [layer[name] for name in ("kernel", "bias") if name in layer]


@cache
def step_of(model, adam):
    """A compiled step of this network; `adam` only tells the programs of different optimizers apart."""
    return jax.jit(partial(training.train_epoch, model))


def ours(model, chosen, rows, state=None, order=None):
    """Penalised loss of every step and the final state: `train_epoch` over one step at a time."""
    if state is None:
        state = first_state(model, chosen)
    step = step_of(model, optimizers.scale_by_keras_adam)
    losses, data = [], Part(jnp.asarray(rows.images), jnp.asarray(rows.labels))
    for batch in rows.order if order is None else order:
        state, loss = step(chosen, state, jnp.asarray(batch[None]), data)
        losses.append(loss.loss + loss.penalty)
    return np.array(losses), state


def theirs(model, rows, scale=255.0, order=None):
    """The same of Keras; `train_on_batch` gives the loss before the update."""
    losses, dtype, labels = [], keras.config.floatx(), rows.labels
    if not isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy):
        labels = np.eye(10, dtype=dtype)[labels]
    for batch in rows.order if order is None else order:
        chosen = batch[batch >= 0]
        losses.append(model.train_on_batch(rows.images[chosen].astype(dtype) / scale, labels[chosen]))
    return np.array(losses)


def arrays_of(reference):
    """Keras's weights. Its own `get_weights` makes NumPy 2 warn."""
    return [np.asarray(variable.value) for variable in reference.weights]


def same(mine, others, tolerance):
    """Losses are the same to a relative tolerance."""
    return bool(np.all(np.abs(mine - others) <= tolerance * np.abs(others)))
