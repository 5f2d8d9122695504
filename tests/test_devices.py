"""What is set before JAX starts, in processes of their own: JAX reads its environment once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ASK = """
import json, os
from jaxreg.engine.devices import configure
configure({devices})
import jax
print(json.dumps([os.environ["XLA_FLAGS"].split(), jax.device_count(), jax.config.jax_default_matmul_precision]))
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


def test_a_device_per_core_wide_vectors_and_full_products():
    flags, devices, precision = configured(3)
    assert flags == ["--xla_cpu_multi_thread_eigen=false", "--xla_cpu_prefer_vector_width=512"]
    assert (devices, precision) == (3, "float32")


@pytest.mark.slow
def test_what_the_user_exported_stays():
    flags, devices, precision = configured(
        3,
        XLA_FLAGS="--xla_cpu_prefer_vector_width=256",
        JAX_NUM_CPU_DEVICES="2",
        JAX_DEFAULT_MATMUL_PRECISION="highest",
    )
    assert flags == ["--xla_cpu_prefer_vector_width=256", "--xla_cpu_multi_thread_eigen=false"]
    assert (devices, precision) == (2, "highest")
