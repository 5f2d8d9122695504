"""Members side by side: how fast each block is for several networks, and whether the engine chooses well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from jaxreg.bench import job
from jaxreg.bench.rounds import spread
from jaxreg.bench.worker import Worker

NETWORKS = (
    (30, 16, 2),
    (64, 64, 32, 10),
    (784, 32, 10),
    (784, 128, 64, 10),
    (784, 225, 256, 128, 10),
    (784, 512, 512, 10),
)  # tables of 30 and 64 columns, and pictures
CPU_BLOCKS = (1, 2, 4, 8, 15)
ACCELERATOR_NETWORKS = ((64, 64, 32, 10), (784, 128, 64, 10), (784, 1024, 1024, 10), (784, 225, 256, 128, 10))
ACCELERATOR_BLOCKS = (1, 8, 32, 64, 128)


def measure(
    networks: Sequence[Sequence[int]], blocks: Sequence[int], rounds: int, steps: int, each: bool = False
) -> list[dict[str, Any]]:
    """Member-steps a second by network and block, rounds interleaved over the blocks of a network.

    A round has about as many member-steps for each block, or as many steps, which an accelerator takes as long for.

    A process for each block: after a program with several members side by side, one for a single member ran at 40 to
    70 % of its speed in the same process (two cores, JAX 0.10), which no sweep ever does.
    """
    rows = []
    for network in networks:
        shape = "-".join(map(str, network))
        # Block 0 is the engine's own choice.
        batches = {block: steps if each else max(8, steps // max(1, block)) for block in (0, *blocks)}
        workers = {block: Worker(f"block:{shape}:{block}", count) for block, count in batches.items()}
        try:
            chosen = workers[0].answer()["block"]
            if chosen in blocks:
                workers.pop(0).close()
            else:
                workers[chosen] = workers.pop(0)
            for block in blocks:
                workers[block].answer()
            rates: dict[int, list[float]] = {block: [] for block in sorted(workers)}
            for _ in range(rounds):
                for block, worker in workers.items():
                    worker.go()
                    told = worker.answer()
                    rates[block].append(told["member_steps"] / told["seconds"])
        finally:
            for worker in workers.values():
                worker.close()
        medians = {block: spread(values) for block, values in rates.items()}
        best = max(medians.values(), key=lambda rate: rate["median"])["median"]
        rows.append(
            {
                "network": shape,
                "chosen": chosen,
                "rates": {str(block): rate for block, rate in medians.items()},
                "chosen_of_best": medians[chosen]["median"] / best,
            }
        )
    return rows


def precisions(rounds: int, steps: int, block: int, epochs: int = 5) -> list[dict[str, Any]]:
    """Products of factors in float32, TF32 and bfloat16: speed, and loss after some epochs. For accelerators."""
    from jaxreg.bench.engine import chunk, epoch, member_steps
    from jaxreg.engine.programs import PRECISIONS

    chunks = {name: chunk({"precision": name}, steps, block) for name in PRECISIONS}
    losses = {name: [epoch(made) for _ in range(epochs)][-1] for name, made in chunks.items()}
    rates: dict[str, list[float]] = {name: [] for name in chunks}
    for _ in range(rounds):
        for name, made in chunks.items():
            started = time.perf_counter()
            epoch(made)
            rates[name].append(member_steps(made) / (time.perf_counter() - started))
    return [{"precision": name, "rate": spread(rates[name]), "loss": losses[name]} for name in chunks]


def accelerator(rounds: int, steps: int) -> dict[str, Any]:
    """Member-steps a second by block, the share of the memory roofline and of the matmul peak, and precisions."""
    import jax
    import jax.numpy as jnp

    rows = measure(ACCELERATOR_NETWORKS, ACCELERATOR_BLOCKS, rounds, steps, each=True)
    row = rows[-1]
    best = max(row["rates"], key=lambda block: row["rates"][block]["median"])
    rate = row["rates"][best]["median"]

    def fastest(program: Any, argument: Any) -> float:
        program(argument).block_until_ready()
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            program(argument).block_until_ready()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    array = jnp.ones(2**28)
    bandwidth = 2 * array.nbytes / fastest(jax.jit(lambda x: x + 1), array)
    n = 8192
    matmul = 2 * n**3 / fastest(jax.jit(lambda x: x @ x), jnp.ones((n, n)))
    devices = jax.local_device_count()
    return {
        "device": jax.devices()[0].device_kind,
        "blocks": rows,
        "best_block": int(best),
        "bandwidth": bandwidth,
        "matmul": matmul,
        "share_of_bandwidth": rate * job.adam_bytes() / (bandwidth * devices),
        "share_of_matmul": rate * job.step_flops() / (matmul * devices),
        "precisions": precisions(rounds, steps, int(best)),
    }
