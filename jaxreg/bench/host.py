"""What the host has to do for an epoch while a chip trains it: measured with programs that compute nothing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def epoch_seconds(block: int, steps: int, epochs: int = 20) -> float:
    """Seconds of an epoch of one block, all but training and scoring: orders, transfers, calls, and reading losses.

    The programs take and give what those of a sweep do, on a CPU, and leave the rest out.
    """
    import jax
    import jax.numpy as jnp

    from jaxreg.bench.engine import chunk
    from jaxreg.engine import devices, early_stopping, training
    from jaxreg.engine.programs import Programs

    def zeros(function: Callable[..., Any], *arguments: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, *arguments))

    def train_epoch(learner: Any, hyper: Any, state: Any, order: Any, data: Any) -> Any:
        rest = (learner, hyper, state, order, data)
        _, losses = jax.eval_shape(lambda: training.train_epoch(*rest))
        return state, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), losses)

    def predict(learner: Any, *rest: Any) -> Any:
        return zeros(lambda *given: training.predict(learner, *given), *rest)

    def score(learner: Any, *rest: Any) -> Any:
        return zeros(lambda *given: training.score(learner, *given), *rest)

    def after_epoch(learner: Any, hyper: Any, rule: Any, standing: Any, *_: Any) -> Any:
        no = jnp.zeros([], bool)
        return standing, early_stopping.Verdict(~no, no, no)

    instead = {one.__name__: one for one in (train_epoch, predict, score, after_epoch)}

    class Idle(Programs):
        def __call__(self, function: Callable[..., Any], learner: Any, *members: Any, **how: Any) -> Any:
            return super().__call__(instead.get(function.__name__, function), learner, *members, **how)

    made = chunk({}, steps, block, devices.member_mesh(1), Idle)
    seconds = []
    try:
        for _ in range(epochs):
            started = time.perf_counter()
            made.advance()
            made.read()
            seconds.append(time.perf_counter() - started)
    finally:
        made.close()
    return statistics.median(seconds[2:])
