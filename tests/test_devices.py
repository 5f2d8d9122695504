"""What is set before JAX starts, in processes of their own: JAX reads its environment once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from one_member import learner

from jaxreg.data.dataset import Signature
from jaxreg.engine import blocks
from jaxreg.engine import devices as hardware

ASK = """
import json, os
from jaxreg.engine.devices import configure
configure({devices})
import jax
print(json.dumps([os.environ["XLA_FLAGS"].split(), jax.device_count()]))
"""


def configured(devices, **environment):
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(devices=devices)],
        env={**mine, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_device_per_core_and_wide_vectors():
    flags, devices = configured(3)
    assert flags == ["--xla_cpu_multi_thread_eigen=false", "--xla_cpu_prefer_vector_width=512"]
    assert devices == 3


@pytest.mark.slow
def test_what_the_user_exported_stays():
    flags, devices = configured(
        3,
        XLA_FLAGS="--xla_cpu_prefer_vector_width=256",
        JAX_NUM_CPU_DEVICES="2",
    )
    assert flags == ["--xla_cpu_prefer_vector_width=256", "--xla_cpu_multi_thread_eigen=false"]
    assert devices == 2


def mesh(platform, kind="", memory=None, count=1):
    """What is asked of a mesh, of devices that are not here."""
    device = SimpleNamespace(platform=platform, device_kind=kind, memory_stats=lambda: {"bytes_limit": memory})
    return SimpleNamespace(devices=np.array([device] * count))


GIB = 2**30
NOTEBOOK, TABLE = learner(), learner(Signature((30,), 2, 1000, 100), hidden=[16])


@pytest.mark.parametrize(
    ("where", "whom", "expected"),
    [
        (mesh("cpu"), NOTEBOOK, 1),
        (mesh("cpu"), TABLE, 30),
        (mesh("cpu"), learner(Signature((50,), 3, 1000, 100), hidden=[64, 32]), 15),
        (mesh("cpu", count=16), TABLE, 8),
        (mesh("cpu", count=256), TABLE, 1),
        (mesh("cpu"), learner(hidden=[32]), 8),
        (mesh("cpu"), learner(hidden=[128, 64]), 1),
        (mesh("tpu", "TPU v5 lite", 16 * GIB), NOTEBOOK, 24),
        (mesh("tpu", "TPU v5 lite", 16 * GIB, count=4), NOTEBOOK, 24),
        (mesh("tpu", "TPU v6 lite", 32 * GIB), NOTEBOOK, 24),
        (mesh("tpu", "TPU v5 lite", 16 * GIB), learner(hidden=[1024, 1024]), 4),
        (mesh("tpu", "TPU v5 lite", GIB // 16), NOTEBOOK, 2),
        (mesh("tpu", "TPU v99", 32 * GIB), NOTEBOOK, 32),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", 80 * GIB), NOTEBOOK, 32),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", GIB // 4), NOTEBOOK, 8),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", 80 * GIB), TABLE, 128),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", 80 * GIB), learner(hidden=[128, 64]), 64),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", 80 * GIB), learner(hidden=[1024, 1024]), 8),
        (mesh("gpu", "NVIDIA H100 80GB HBM3", GIB // 16), learner(hidden=[1024, 1024]), 1),
    ],
)
def test_the_block_follows_from_device_and_network(where, whom, expected):
    chosen = blocks.block(where, whom)
    assert chosen.members == expected and chosen.why


def test_accelerators_are_given_8_bit_inputs_as_they_are():
    tpu, cpu, eight, real = mesh("tpu"), mesh("cpu"), np.dtype(np.uint8), np.dtype(np.float32)
    assert hardware.suited(tpu, NOTEBOOK, eight).levels == "pieces"
    assert hardware.suited(mesh("gpu"), NOTEBOOK, eight).levels == "whole"
    for where, whom, kind in (
        (cpu, NOTEBOOK, eight),
        (tpu, NOTEBOOK, real),
        (tpu, learner(input_noise=0.1), eight),
    ):
        assert not hardware.suited(where, whom, kind).levels


def test_what_a_cpu_can_not_do_is_said():
    both = hardware.advice(mesh("cpu", count=hardware.cores()), {"float32", "bf16"})
    assert both == ["precision bf16: a CPU multiplies in float32 all the same."]
    assert hardware.advice(mesh("tpu"), {"bf16"}) == hardware.advice(mesh("cpu", count=99), {"float32"}) == []
