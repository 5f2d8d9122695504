"""Which devices train, and what must be set before JAX starts. Imports JAX only where it must have started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
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
    - The compilation cache, every program included: the second start of a sweep compiles nothing.

    Args:
        devices: how many CPU devices; one per core by default.

    Raises:
        UserError: JAX is to compute in 64 bits.
    """
    _check_precision()
    flags = os.environ.get("XLA_FLAGS", "")
    options = {
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


def _check_precision() -> None:
    """Members of 64 bits would be known, and gone on with, as those of 32."""
    wide = os.environ.get("JAX_ENABLE_X64", "").lower() in ("y", "yes", "t", "true", "on", "1")
    if "jax" in sys.modules:
        import jax

        wide = jax.config.read("jax_enable_x64")
    if wide:
        raise UserError(
            "JAX_ENABLE_X64: jaxreg trains in 32 bits, and JAX is told to compute in 64. Unset it, or call "
            'jax.config.update("jax_enable_x64", False).'
        )


def member_mesh(devices: int | None = None) -> Mesh:
    """A mesh of one axis, ``member``, over this many of the local devices (all by default).

    Raises:
        UserError: there are none, or not so many.
    """
    import jax
    import numpy as np

    try:
        available = jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # the latter, without a word, where JAX lacks a plugin
        asked = os.environ.get("JAX_PLATFORMS", "")
        what = f" JAX_PLATFORMS is {asked!r}: unset it, or set it to cpu." if asked else ""
        said = [*str(error).splitlines(), "it does not say why"][0]
        raise UserError(f"JAX finds no device ({said}).{what}") from None
    wanted = len(available) if devices is None else devices
    if not 1 <= wanted <= len(available):
        raise UserError(
            f"--devices {wanted}: this process sees {len(available)} {available[0].platform} device(s). "
            f"Leave --devices out, or give 1 to {len(available)}."
        )
    return jax.sharding.Mesh(np.array(available[:wanted]), ("member",))


def expect(platform: str) -> None:
    """Makes sure that JAX is on the kind of device that was chosen: "tpu", "gpu" or "cpu".

    Raises:
        UserError: it is on another, most often silently on a CPU.
    """
    import jax

    found = jax.devices()[0].platform
    if found != platform:
        raise UserError(
            f"a {platform.upper()} was chosen, and JAX {jax.__version__} is on a {found.upper()}.\n"
            "  On Colab: choose it under Runtime > Change runtime type, then Runtime > Disconnect and delete runtime,\n"
            "  and run all cells again. An upgraded jax or an installed tensorflow hides a TPU: leave Colab's own.\n"
            f'  To go on here all the same, say DEVICE = "{found}".'
        )


def advice(mesh: Mesh, precisions: Iterable[str]) -> list[str]:
    """What would be faster, and what is asked for in vain, on these devices by members of these precisions."""
    device, found = mesh.devices.flat[0], []
    if device.platform == "cpu" and mesh.devices.size < cores():
        found.append(
            f"JAX was started with {mesh.devices.size} CPU device(s) on {cores()} cores; one per core is faster: "
            "call jaxreg.configure() before anything starts JAX."
        )
    if device.platform == "cpu" and (rounded := sorted({*precisions} - {"float32"})):
        found.append(f"precision {' and '.join(rounded)}: a CPU multiplies in float32 all the same.")
    return found


def describe(mesh: Mesh) -> dict[str, Any]:
    """Device facts for run.json."""
    device = mesh.devices.flat[0]
    return {
        "platform": device.platform,
        "device": _processor() if device.platform == "cpu" else device.device_kind,
        "devices": int(mesh.devices.size),
        "cores": cores(),
    }


def suited(mesh: Mesh, learner: Learner, inputs: Any) -> Learner:
    """A learner as these devices train it best, on a data set's inputs of this type (a NumPy dtype).

    What is no 8-bit level is not scaled again. Accelerators multiply 8-bit inputs as they are
    (`jaxreg.engine.products`); on a CPU there is nothing to gain.
    """
    from jaxreg.engine.networks import DenseNetwork

    if inputs.kind == "f":
        return learner._replace(raw=True)
    eight_bits = inputs.kind == "u" and inputs.itemsize == 1
    if learner.noisy or not eight_bits or not isinstance(learner.network, DenseNetwork):
        return learner
    platform = mesh.devices.flat[0].platform
    if platform == "cpu":
        return learner
    return learner._replace(levels="pieces" if platform == "tpu" else "whole")


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
