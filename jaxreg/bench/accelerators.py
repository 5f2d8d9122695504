"""What the compilers of accelerators make of the engine's programs, on a machine that has none of these devices.

XLA compiles for a device that is described and not there. Nothing runs: memory and cycles are the compiler's estimates.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

from jaxreg.bench.hlo import Program
from jaxreg.errors import UserError

TPU = "pip install -e '.[tpu-compiler]'"
GPU = "pip install 'jax[cuda12]'"


class Target(NamedTuple):
    """A device that can be described to a compiler."""

    title: str
    platform: str
    topology: str
    needs: str  # the module that has its compiler
    install: str
    hertz: float | None = None  # of its clock, where it is published


# Google Cloud's page on the v5e has 197 TFLOP/s of bfloat16 in 4 units of 128 x 128: 1.5 GHz.
TARGETS = {
    "v5e": Target("TPU v5e", "tpu", "v5e:2x2", "libtpu", TPU, 1.5e9),
    "v6e": Target("TPU v6e", "tpu", "v6e:2x2", "libtpu", TPU),
    "h100": Target("NVIDIA H100", "cuda", "1x1x1", "jax_plugins.xla_cuda12", GPU),
}
# NVIDIA's H100 SXM5 (its white paper), as XLA's GpuTargetConfigProto has it.
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84978434048 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 } registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
# What is compiled: flags of a sweep of the notebook's network.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bf16 products": {"precision": "bf16"},
    "dropout": {"dropout": [0.2]},
    "batch normalisation": {"batch_norm": [True]},
    "early stopping": {"early_stopping": [3]},
}
STEPS = 375  # an epoch of a fifth of the images
# The figures of the engine before it was made for accelerators, at the block that it chose for the default sweep.
BEFORE = {"cycles": 1_317_000, "temporaries": 62_200_000, "block": 55, "compiler": "jax 0.10.2 and 0.7.2 alike"}


def mesh(target: Target) -> Any:
    """A mesh of one described device.

    Raises:
        UserError: its compiler is not installed.
    """
    if find_spec(target.needs.split(".")[0]) is None or find_spec(target.needs) is None:
        raise UserError(f"{target.title}: its compiler is not installed. {target.install} brings it (Linux, x86-64).")
    # Not to ask a cloud's server about a machine that is not there, nor to lock a chip that is not there.
    os.environ |= {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    import jax
    import numpy as np
    from jax.experimental import topologies

    jax.config.update("jax_enable_compilation_cache", False)  # what is only described can't load what it stored
    more = {"target_config": H100, "topology": target.topology} if target.platform == "cuda" else {}
    described = topologies.get_topology_desc(target.topology, target.platform, **more)
    return jax.sharding.Mesh(np.array(described.devices[:1]), ("member",))


def compiled(
    target: Target, flags: Mapping[str, Any], block: int | None = None, steps: int = STEPS, whole: bool = True
) -> dict[str, Any]:
    """Compiles what a sweep with these flags would run, from first weights to the scores at the end.

    Args:
        target: for what.
        flags: of a sweep of the notebook's network.
        block: members side by side; as the engine chooses by default.
        steps: batches an epoch.
        whole: or only the training of an epoch.

    Returns:
        The block and why, seconds until all is compiled, and of each program its memory in bytes, its cycles (a TPU's)
        for the whole block and the largest arrays in its loops; `cycles` a member-step of training, all of its program
        counted.
    """
    from jaxreg.bench.engine import chunk
    from jaxreg.engine import blocks
    from jaxreg.engine.programs import Ahead

    class Described(Ahead):
        """On a device that is not there, shapes stand for the data as well."""

        def shared(self, tree: Any) -> Any:
            return self._shapes(tree, lambda leaf: self._by_rows(leaf.ndim))

        def begun(self, function: Callable[..., Any], *rest: Any, **how: Any) -> Any:
            begun, arguments = super().begun(function, *rest, **how)
            made.setdefault(id(begun), (function.__name__, begun.program))
            return begun, arguments

    made: dict[int, tuple[str, Any]] = {}
    started = time.perf_counter()
    at_work = chunk(flags, steps, block, mesh(target), Described)
    try:
        if whole:
            at_work.advance()
            at_work.score()
        else:
            at_work.train()
    finally:
        at_work.close()
    programs = [(name, program.result()) for name, program in made.values()]
    seconds = time.perf_counter() - started
    chosen = blocks.block(at_work.programs.mesh, at_work.learner)
    width = at_work.programs.width
    found: dict[str, Any] = {
        "block": width,
        "why": chosen.why if chosen.members == width else "as asked for",
        "seconds": seconds,
        "programs": [_facts(name, program) for name, program in programs],
    }
    train = next(one for one in found["programs"] if one["name"] == "train_epoch")
    found["temporaries"] = train["temporaries"] / width
    if "cycles" in train:
        found["cycles"] = train["cycles"] / width / steps
    return found


def _facts(name: str, program: Any) -> dict[str, Any]:
    memory, text = program.memory_analysis(), Program(program.as_text())
    facts = {
        "name": name,
        "arguments": memory.argument_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "largest": text.largest(),
        "largest_anywhere": text.largest(1, loops=False)[0][0],
        "types": sorted(text.types()),
    }
    if "estimated_cycles" in text.text:
        # A loop of unknown length is that over batches of examples: a figure for one of them.
        facts["cycles"] = text.cycles(1)
    return facts


def measure(
    names: Sequence[str], earlier: Mapping[str, Any], command: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Compiles for every target whose compiler is here, and measures what the host has to do meanwhile.

    Args:
        names: of targets.
        earlier: what an earlier call returned; what it has of other versions and targets stays.
        command: what was typed.
        say: told what is compiled.
    """
    from jaxreg.bench.host import epoch_seconds

    found: dict[str, Any] = {"targets": dict(earlier.get("targets", {})), "missing": {}, "before": BEFORE}
    found |= {"host": earlier["host"]} if "host" in earlier else {}
    for name in names:
        target = TARGETS[name]
        try:
            rows = {}
            for case, flags in CASES.items():
                say(f"  compiling for {target.title}: {case}")
                rows[case] = compiled(target, flags)
        except UserError as error:
            say(f"  {error}")
            found["missing"][name] = str(error)
            continue
        compiler = _versions(target)
        about = {"title": target.title, "compiler": compiler, "command": command}
        found["targets"][f"{target.title}, {compiler}"] = about | {"cases": rows}
        if target.hertz is not None:
            plain = rows["plain"]
            chip = plain["cycles"] * plain["block"] * STEPS / target.hertz
            found["host"] = {
                "block": plain["block"],
                "device": target.title,
                "chip_seconds": chip,
                "working_seconds": epoch_seconds(plain["block"], STEPS),
                "processor": _processor(),
            }
    return found


def _processor() -> str:
    from jaxreg.engine import devices

    return str(devices.describe(devices.member_mesh(1))["device"])


def _versions(target: Target) -> str:
    package = "libtpu" if target.platform == "tpu" else "jax-cuda12-plugin"
    return f"jax {version('jax')}, {package} {version(package)}"
