"""What this machine can do at best: the rate of large products, and the bandwidth of copies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from jaxreg.bench import job
from jaxreg.engine.devices import cores


def measure() -> dict[str, float]:
    """One measurement on all cores.

    Returns:
        `matmul` in operations a second (float32, 2048 x 2048: the better of NumPy's BLAS and XLA), `copy` in bytes
        a second read and written (64 MiB a core, out of cache), `cached_copy` the same for copies as large as one
        member's weights, which stay in a core's cache.
    """
    return {
        "matmul": max(_numpy_matmul(), _xla_matmul()),
        "copy": _copy(2**26),
        "cached_copy": _copy(_cached()),
    }


def step_seconds(matmul: float, copy: float, hidden: tuple[int, ...] = job.HIDDEN) -> float:
    """A member-step at the machine's limit: products at the rate of large ones, Adam's seven streams as copies."""
    return job.step_flops(hidden) / matmul + job.adam_bytes(hidden) / copy


def _cached() -> int:
    return 4 * job.parameters()


def _best(function: Callable[[], object], times: int = 4) -> float:
    function()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _numpy_matmul(n: int = 2048) -> float:
    a = np.random.default_rng(0).standard_normal((n, n), np.float32)
    out = np.empty_like(a)
    return float(2 * n**3 / _best(lambda: np.matmul(a, a, out=out)))


def _xla_matmul(n: int = 2048) -> float:
    import jax

    a = jax.random.normal(jax.random.key(0), (n, n))
    product = jax.jit(lambda x: x @ x)
    return float(2 * n**3 / _best(lambda: product(a).block_until_ready()))


def _copy(size: int) -> float:
    """Bytes a second, read and written, of one thread per core copying ``size`` bytes again and again."""
    repeats = max(1, 2**27 // size)
    pairs = [(np.ones(size // 4, np.float32), np.ones(size // 4, np.float32)) for _ in range(cores())]

    def copies(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(repeats):
            np.copyto(*pair)

    def everyone() -> None:
        threads = [threading.Thread(target=copies, args=(pair,)) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return 2.0 * size * repeats * len(pairs) / _best(everyone)
