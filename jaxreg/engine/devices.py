"""Which devices train, and what must be set before JAX starts. Imports JAX only where it must have started."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxreg.errors import UserError

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from jaxreg.engine.training import Learner


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def configure(devices: int | None = None) -> None:
    """Sets what JAX reads when it starts; leaves alone what the user has exported. Does nothing once JAX runs.

    - One CPU device per core, each single-threaded: members are independent, so a core each beats sharing a product
      (three times the speed on two cores).
    - Vectors of 512 bits on CPUs that have them, where XLA prefers 256: 6 % of a step.
    - Full float32 products: TPUs and recent GPUs round the factors by default, and Keras parity and comparisons
      between machines would go with it.
    - The compilation cache, every program included: the second start of a sweep compiles nothing.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    options = {
        "jax_default_matmul_precision": "float32",
        "jax_compilation_cache_dir": str(_cache_folder() / "programs"),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    if "xla_force_host_platform_device_count" not in flags:
        options = {"jax_num_cpu_devices": devices or cores()} | options
    wanted = {name: value for name, value in options.items() if name.upper() not in os.environ}
    if "jax" in sys.modules:  # it has read its environment: a configuration that it refuses once devices are in use
        import jax

        try:
            for name, value in wanted.items():
                jax.config.update(name, value)
        except RuntimeError:
            return
    for flag, value in {"xla_cpu_multi_thread_eigen": "false", "xla_cpu_prefer_vector_width": "512"}.items():
        if flag not in flags:
            flags = f"{flags} --{flag}={value}".strip()
    os.environ["XLA_FLAGS"] = flags
    os.environ.update({name.upper(): str(value) for name, value in wanted.items()})


def member_mesh(devices: int | None = None) -> Mesh:
    """A mesh of one axis, ``member``, over this many of the local devices (all by default)."""
    import jax
    import numpy as np

    available = jax.local_devices()
    wanted = len(available) if devices is None else devices
    if not 1 <= wanted <= len(available):
        raise UserError(
            f"--devices {wanted}: this process sees {len(available)} {available[0].platform} device(s). "
            f"Leave --devices out, or give 1 to {len(available)}."
        )
    return jax.sharding.Mesh(np.array(available[:wanted]), ("member",))


def advice(mesh: Mesh) -> str | None:
    """What would be faster, where JAX was started before `configure` could set it up; None if nothing."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu" and mesh.devices.size < cores():
        return (
            f"JAX was started with {mesh.devices.size} CPU device(s) on {cores()} cores; one per core is faster: "
            "call jaxreg.configure() before anything starts JAX."
        )
    return None


def describe(mesh: Mesh) -> dict[str, Any]:
    """Device facts for run.json."""
    import jax

    device = mesh.devices.flat[0]
    return {
        "platform": device.platform,
        "device": _processor() if device.platform == "cpu" else device.device_kind,
        "devices": int(mesh.devices.size),
        "cores": cores(),
        "precision": str(getattr(jax.config, "jax_default_matmul_precision") or "default"),
    }


def block(mesh: Mesh, learner: Learner, members: int) -> int:
    """How many members of one program a device trains side by side.

    A CPU core takes one at a time, whose state stays in its cache: the best of 1, 2, 4 and 8 for each of four networks
    from 784-32-10 to 784-512-512-10 (``python -m jaxreg.bench --only blocks``). An accelerator takes all of its share,
    as far as half of its memory goes.
    """
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return 1
    share = -(-members // mesh.devices.size)
    limit = (device.memory_stats() or {}).get("bytes_limit", 8 * 2**30)
    return max(1, min(share, limit // 2 // bytes_per_member((math.prod(learner.inputs), *learner.network.layers))))


def bytes_per_member(layers: Sequence[int]) -> int:
    """Device memory of one member: weights, two moments, gradient and as much again in flight, and an evaluation.

    `layers` are the numbers of units, from the inputs to the outputs.
    """
    parameters = sum((before + 1) * after for before, after in pairwise(layers))
    return 4 * (8 * parameters + 1000 * sum(layers))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "cpu")


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("jaxreg"))
