"""One member's functions without a sweep around them: a learner, hyperparameters, data."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.dataset import Part, Signature
from jaxreg.data.scaling import FIXED
from jaxreg.engine import grouping, training
from jaxreg.spec.settings import Settings

FASHION = Signature((784,), 10, 60_000, 10_000)


def learner(signature=FASHION, examples=1000, **settings):
    """What is static of these settings; `dropout` may be a rate or a list."""
    return grouping.learner(Settings(**settings), signature, examples)


def hyper(identity=(1, 2, 3, 0), scaling="unit", dtype=jnp.float32, **settings):
    """What is traced of these settings; in double precision not rounded to single before, as the engine does."""
    given = Settings(**settings)
    found = grouping.hyperparameters(given, FIXED[scaling], np.array(identity, np.uint32))
    numbers = {name: value for name, value in dict(given).items() if name in found._fields and type(value) is float}
    found = found._replace(**numbers | {"dropout": np.array(given.dropout_rates)})
    traced = jax.tree.map(lambda number: jnp.asarray(number, dtype), found)
    return traced._replace(identity=jnp.array(identity, jnp.uint32))


def placed(part):
    """A part of a data set as JAX arrays."""
    return Part(*map(jnp.asarray, part))


def evaluated(learner, hyper, weights, batches, data):
    """Scores, and the predictions behind them, of the rows in these batches."""
    predictions = training.predict(learner, hyper, weights, batches, jnp.int32(len(batches)), data)
    return training.score(learner, hyper, weights, predictions, batches.reshape(-1), data), predictions
