"""Losses, optimizers, schedules and constraints against Keras's own, in double precision.

`test_keras_parity` has the penalties, batch normalisation and dropout.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from keras_reference import (
    arrays_of,
    first_state,
    keras_model,
    learning_rate,
    network,
    ours,
    some_rows,
    theirs,
    to_keras,
)
from one_member import hyper

from jaxreg.spec.settings import Settings

pytestmark = pytest.mark.slow

SGD = {"name": "sgd"}
MOMENTUM = SGD | {"momentum": 0.9}
NESTEROV = MOMENTUM | {"nesterov": True}
DROP = {"name": "step", "epochs": [1], "factor": 0.1}  # in the middle of the two epochs

CASES = {
    "label_smoothing": {"label_smoothing": 0.1},
    "squared": {"loss": "squared"},
    "weight_decay": {"weight_decay": 0.5},
    "weight_decay+all": {"weight_decay": 0.5, "penalised": "all", "schedule": DROP},
    "max_norm": {"max_norm": 0.8},
    "max_norm+all": {"max_norm": 0.8, "penalised": "all", "biases": False},
    "no_biases+all": {"biases": False, "penalised": "all", "l1": 1e-3, "l2": 1e-2},
    "sgd": {"optimizer": SGD, "schedule": DROP},
    "sgd+weight_decay": {"optimizer": SGD, "weight_decay": 0.5},
    "momentum": {"optimizer": MOMENTUM, "schedule": DROP},
    "nesterov": {"optimizer": NESTEROV, "schedule": DROP, "weight_decay": 0.1, "l2": 1e-3, "max_norm": 1.0},
    "adam+step": {"schedule": DROP},
    "adam+cosine": {"schedule": "cosine"},
    "momentum+cosine": {"optimizer": MOMENTUM, "schedule": "cosine"},
}


@pytest.fixture(scope="module")
def rows(whole):
    return some_rows(whole, epochs=2)  # 28 steps


@pytest.mark.parametrize("case", CASES)
def test_every_step_is_that_of_keras(case, rows, keras_float64):
    """The penalised loss of 28 steps, and the weights after them."""
    settings = {"epochs": 2} | CASES[case]
    if "optimizer" in settings:
        settings["learning_rate"] = 0.05
    model, chosen = network(**settings), hyper(**settings, dtype=jnp.float64)
    start, reference = first_state(model, chosen), keras_model(**settings)
    reference.set_weights(to_keras(start.weights))
    losses, state = ours(model, chosen, rows, start)
    assert losses.dtype == np.float64 and losses[-14:].mean() < losses[:14].mean(), "it learned something"
    np.testing.assert_allclose(losses, theirs(reference, rows), rtol=1e-9)
    for array, other in zip(to_keras(state.weights), arrays_of(reference), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "schedule", ["cosine", DROP, {"name": "step", "epochs": [1, 3, 4], "factor": 0.2}], ids=["cosine", "one", "three"]
)
def test_the_rate_of_every_step_is_that_of_keras(schedule, keras_float64):
    """From the first step to the last of 5 epochs of 14, and what would come after them."""
    given = Settings(epochs=5, schedule=schedule, learning_rate=0.3)
    factor, rate = network(**given.given()).optimizer.schedule, learning_rate(given)
    steps = np.arange(5 * 14 + 3)
    mine = [0.3 * float(factor(jnp.int32(step))) for step in steps]
    np.testing.assert_allclose(mine, [float(rate(step)) for step in steps], rtol=1e-12, atol=1e-15)
    assert mine[0] == pytest.approx(0.3) and mine[69] < 0.3
