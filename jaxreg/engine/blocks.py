"""How many members of one program a device trains side by side: a block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxreg.engine.sizes import bytes_per_member

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from jaxreg.engine.training import Learner


class Block(NamedTuple):
    """How many members of one program a device trains side by side, and what decided it."""

    members: int
    why: str


MIB = 2**20
STATE_BYTES = 12  # of a parameter: the weight and two moments, in float32
# Vector memory of a core, from JAX (`jax/_src/pallas/mosaic/tpu_info.py`, version 0.10).
TPU_MEMORY = {
    "TPU v2": 16 * MIB,
    "TPU v3": 16 * MIB,
    "TPU v4": 16 * MIB,
    "TPU v4 lite": 16 * MIB,
    "TPU v5": 64 * MIB,
    "TPU v5p": 64 * MIB,
    "TPU v5 lite": 128 * MIB,
    "TPU v5e": 128 * MIB,
    "TPU v6 lite": 128 * MIB,
    "TPU v6e": 128 * MIB,
}
# The rest holds images, gradients and what is on its way. Of a v5e's, 28 members of the notebook's network take 67 %:
# 6,800 cycles a member-step by the compiler's estimate; 32 members take 77 % and no longer fit: 8,500. Of larger ones,
# 784-1024-1024-10, 4 fit: 63,100, against 77,000 with 2 and 92,400 with 8.
TPU_SHARE = 2 / 3
SUBLANES = 8  # rows of a TPU's register: a value for each of 24 members takes no more of them than for each of 20
OTHER_MOST = 32  # on a TPU, and on what nobody has timed
# Two cores, `--only blocks`: eight members side by side are 1.2 to 1.6 times as fast as one where their weights and
# moments fit, and 15 of the networks of tables 1.2 to 1.5 times as fast as eight; from 1.3 MB a member on there is
# nothing to gain, at 3.2 MB (the notebook's network) a quarter to lose. An epoch of a few hundred weights takes less
# time than starting it does: with 32 in the place of 16, 330 networks on 178 rows took 3.7 s in the place of 5.0.
# Members come in fifteens, five parts times three seeds, and a place that nobody is in takes as long as one with a
# member: 30 members on two cores leave two of 32 places empty. On many cores fewer each, for the same reason.
CPU_STATE, CPU_BLOCKS, CPU_PLACES = 2_500_000, (30, 15, 8, 4, 2, 1), 128
TINY_STATE = 16_000  # from there on 15 at most
# On an H100 a step is some 46 kernels: 107 microseconds, and 5 for each member of the notebook's network (3.2 MB); 63
# and 2 of 784-128-64-10, 27 and 0.6 of 64-64-32-10 (80 KB). More members are always faster, 128 of the notebook's 1.4
# times as fast as 32, where there are so many. But a place that nobody is in takes as long as one with a member. The
# default sweep has 55 members, and 24 on all images: these blocks are the fastest, or nearly, for 27 and for 82.
GPU_STATE, GPU_BLOCKS = 110_000_000, (128, 64, 32, 16, 8, 4, 2, 1)
GPU_LEAST = 8  # of large networks too: eight of 784-1024-1024-10 (22 MB) train 1.24 times as fast as four


def block(mesh: Mesh, learner: Learner) -> Block:
    """How many members of one program a device trains side by side.

    It follows from the devices and the network alone: not from how many members there are, so that a sweep that is
    stopped and continued, or grows, trains everybody in the same program.
    """
    network = learner.network
    if not network.side_by_side:
        return Block(1, "such convolutions of several members need JAX 0.10")
    device, inputs = mesh.devices.flat[0], math.prod(learner.inputs)
    count, units = network.parameters(inputs), network.units(inputs)
    state = STATE_BYTES * count
    if device.platform == "cpu":
        return _on_cpu(mesh.devices.size, state, network.convolves)
    limit = _memory(device)
    most = max(1, limit // 2 // bytes_per_member(count, units))
    if (fast := TPU_MEMORY.get(device.device_kind)) is not None:
        fitting = min(most, OTHER_MOST, max(1, int(TPU_SHARE * fast / state)))
        members = fitting // SUBLANES * SUBLANES or fitting
        return Block(
            members, f"{members} times {state / MIB:.1f} MiB of weights and moments in {fast // MIB} MiB of VMEM"
        )
    wanted = OTHER_MOST
    if device.platform == "gpu":
        wanted = min(GPU_BLOCKS[0], max(GPU_LEAST, GPU_STATE // state))
    members = next(some for some in GPU_BLOCKS if some <= min(wanted, most))
    if most < wanted:
        return Block(members, f"half of {limit / 2**30:.1f} GiB of memory")
    if device.platform != "gpu":
        return Block(members, "an estimate for devices that were never timed; memory has room for more")
    return Block(members, f"{members} times {state / 1e6:.2g} MB of weights and moments, by what an H100 is fast with")


def _on_cpu(devices: int, state: int, convolves: bool) -> Block:
    if convolves:  # eight of them were as fast as one, or 0.6 times where images are large
        return Block(1, "what a convolution has on its way fills a core's cache")
    fitting = min(CPU_STATE / state, CPU_PLACES / devices)
    blocks = CPU_BLOCKS if state <= TINY_STATE else CPU_BLOCKS[1:]
    members = next((some for some in blocks if some <= fitting), 1)
    if members == 1:
        return Block(1, f"a member's {state / 1e6:.2g} MB of weights and moments fill a core's cache")
    return Block(members, f"{members} times {state / 1e6:.2g} MB of weights and moments in 2.5 MB of cache")


def _memory(device: Any) -> int:
    """Bytes of a device's memory; 8 GiB of one that does not say, as those that are described to a compiler."""
    import jax

    try:
        return (device.memory_stats() or {}).get("bytes_limit", 8 * 2**30)
    except jax.errors.JaxRuntimeError:
        return 8 * 2**30
