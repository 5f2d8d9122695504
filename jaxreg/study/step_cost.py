"""What a training step costs without a penalty, with L1 and with L2: `python -m jaxreg.study --cost`.

The engine itself trains all three with one program (strengths are traced, 0 included), so there they cost the same
by construction. Here each is an Optax chain and a program of its own, around the same network, loss and Adam. The
three are timed in turn, round after round, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

CHAINS = ("none", "l1", "l2")


def measure(
    rounds: int = 30, steps: int = 400, batch: int = 32, hidden: tuple[int, ...] = (225, 256, 128)
) -> pd.DataFrame:
    """Times `steps` training steps of each chain, `rounds` times in turn; starts JAX.

    Returns:
        `round, none, l1, l2`: seconds a step. Compiling and a first call are left out.
    """
    from jaxreg.engine import devices

    devices.configure()
    import jax
    import jax.numpy as jnp
    import optax

    from jaxreg.data.fashion import SIGNATURE
    from jaxreg.engine.networks import MLP, DenseNetwork, Weights
    from jaxreg.engine.optimizers import add_l1, add_l2, scale_by_keras_adam

    features, classes = SIGNATURE.features, SIGNATURE.classes
    model, strength = DenseNetwork(MLP(hidden, classes)), jnp.float32(1e-4)
    penalties = {"none": optax.identity(), "l1": add_l1(strength), "l2": add_l2(strength)}
    rng = np.random.default_rng(0)
    pixels = jnp.asarray(rng.uniform(size=(steps, batch, features)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, classes, size=(steps, batch)), jnp.int32)

    def program(penalty: optax.GradientTransformation) -> tuple[Any, Any]:
        def optimizer(steps: Any) -> optax.GradientTransformation:
            masked = optax.masked(penalty, model.penalised)
            return optax.chain(masked, scale_by_keras_adam(steps), optax.scale_by_learning_rate(1e-3))

        def step(carry: Any, data: Any) -> tuple[Any, Any]:
            params, state, steps = carry

            def cross_entropy(params: Any) -> Any:
                logits, _ = model.apply(Weights(params, {}), data[0])
                return optax.softmax_cross_entropy_with_integer_labels(logits, data[1]).mean()

            loss, gradient = jax.value_and_grad(cross_entropy)(params)
            updates, state = optimizer(steps).update(gradient, state, params)
            return (optax.apply_updates(params, updates), state, steps + 1), loss

        params, none = model.init(jax.random.key(0), pixels[0]).params, jnp.zeros([], jnp.int32)
        first = (params, optimizer(none).init(params), none)
        return jax.jit(lambda carry: jax.lax.scan(step, carry, (pixels, labels))), first

    programs = {name: program(penalty) for name, penalty in penalties.items()}
    for run, first in programs.values():
        jax.block_until_ready(run(first))
    rows = []
    for number in range(rounds):
        seconds = {}
        for turn in range(len(CHAINS)):
            name = CHAINS[(number + turn) % len(CHAINS)]
            run, first = programs[name]
            started = time.perf_counter()
            jax.block_until_ready(run(first))
            seconds[name] = (time.perf_counter() - started) / steps
        rows.append({"round": number, **{name: seconds[name] for name in CHAINS}})
    return pd.DataFrame(rows)
