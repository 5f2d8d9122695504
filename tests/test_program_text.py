"""What the compiler makes of an epoch: passes over whole weight matrices that must not come back."""

from __future__ import annotations

import math
import re

import jax
import pytest

from jaxreg.bench import job
from jaxreg.bench.engine import chunk
from jaxreg.bench.hlo import largest_array
from jaxreg.engine.devices import member_mesh

SMALLEST_KERNEL = 128 * 10

pytestmark = pytest.mark.slow


def test_no_member_has_a_data_set_of_its_own(whole):
    """Four side by side, with early stopping and without: an epoch holds the images once."""
    for stopping in ({}, {"early_stopping": [3]}):
        made = chunk(stopping, steps=3, block=4, mesh=member_mesh(1))
        made.advance()
        for text in made.texts():
            assert largest_array(text) <= whole.train.inputs.nbytes


@pytest.fixture(scope="module")
def text():
    """The optimised HLO of an epoch of the default network, one member at a time on each device."""
    made = chunk(steps=3, block=1)
    made.train()
    return made.texts()[0]


def weight_sized(text, operation):
    """Shapes of the results of an operation that are as large as a kernel.

    But for batches, which are laid the other way round: the gradient of a kernel is a product with one.
    """
    shapes = [shape.split(",") for shape in re.findall(rf"= \w+\[([\d,]+)\]\S* {operation}\(", text)]
    large = [shape for shape in shapes if math.prod(map(int, shape)) >= SMALLEST_KERNEL]
    return [shape for shape in large if shape[-1] != str(job.BATCH)]


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="counted for the compiler of JAX 0.10")
def test_no_weights_are_transposed(text):
    assert weight_sized(text, "transpose") == []


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="counted for the compiler of JAX 0.10")
def test_no_product_has_its_left_factor_by_columns():
    """Of members side by side: such a product goes without the fast routines."""
    made = chunk({"hidden": [64, 32]}, steps=3, block=4)
    made.train()
    products = re.findall(r" dot\(.*lhs_contracting_dims=\{(\d)\}", made.texts()[0])
    assert len(products) == 8 and {*products} == {"2"}, "three forward, three of kernels, two of hidden units"


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="counted for the compiler of JAX 0.10")
def test_no_weights_are_copied(text):
    # XLA keeps old kernels where it does not know that everything that reads them comes before their update in place.
    # `lax.optimization_barrier` does not tell it: the barrier is gone before copies are inserted.
    assert weight_sized(text, "copy") == []
