"""What a sweep will be on the devices of this process: how many members side by side, and how long it may take."""

from __future__ import annotations

import math
from pathlib import Path

from jaxreg.data.dataset import Dataset
from jaxreg.data.load import load as load_data
from jaxreg.engine import blocks, devices
from jaxreg.engine.forecast import DEFAULT_LAYERS, plan
from jaxreg.engine.grouping import prepare
from jaxreg.engine.progress import Silent
from jaxreg.engine.sizes import parameters
from jaxreg.formatting import count, duration
from jaxreg.spec.load import load
from jaxreg.spec.members import members
from jaxreg.spec.sweep import Sweep

# By the compiler's estimate for a TPU v5e, scores included: `python -m jaxreg.bench --only accelerators`. Compiling was
# timed on two cores of a server.
TPU_STEP_SECONDS = 5.3e-6
# An H100 was timed: of a step of several members side by side, scores included, and of one of them.
GPU_STEP_SECONDS, GPU_MEMBER_SECONDS = 110e-6, 5e-6
COMPILE_SECONDS = 30.0


def preview(sweep: Sweep | str | Path, dataset: Dataset | None = None) -> str:
    """The device, the block of each network and why, and the time by what is known of such devices."""
    sweep = sweep if isinstance(sweep, Sweep) else load(sweep)
    dataset = dataset or load_data(sweep.data, sweep.test, Silent().announce)
    mesh = devices.member_mesh()
    about = devices.describe(mesh)
    groups = prepare(members(sweep), sweep, dataset)
    wanted, there = count(len(members(sweep)), "member"), count(about["devices"], "device")
    lines = [f"{sweep.name}: {wanted} on {there}: {about['device']}"]
    seconds = COMPILE_SECONDS * len(groups)
    for group, waiting in groups.items():
        block = blocks.block(mesh, group.learner)
        chunks = math.ceil(len(waiting) / (block.members * about["devices"]))
        together = f"{count(len(waiting), 'member')}, {block.members} side by side on a device ({block.why})"
        lines.append(f"  {group.learner.network}: {together}")
        learner = group.learner
        size = learner.network.parameters(math.prod(learner.inputs)) / parameters(DEFAULT_LAYERS)
        steps = group.epochs * math.ceil(group.train_examples / group.batch_size)
        of_step = block.members * size * TPU_STEP_SECONDS
        if about["platform"] == "gpu":
            of_step = GPU_STEP_SECONDS + block.members * size * GPU_MEMBER_SECONDS
        seconds += chunks * steps * of_step
    if about["platform"] == "cpu":
        lines.append(f"  {plan(sweep, dataset.signature).time}")
    elif about["platform"] == "tpu":
        lines.append(f"  {duration(seconds)} with compiling, by its compiler's estimate for a v5e: nobody has timed it")
    elif about["platform"] == "gpu":
        lines.append(f"  {duration(seconds)} with compiling on an H100; no other GPU was timed")
    else:
        lines.append("  how long is not known for such a device; the bar says so after the first epoch")
    return "\n".join(lines)
