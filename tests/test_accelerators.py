"""Laws of the programs for a TPU, held by its own compiler on a machine without one.

With `--compilers` only, in an environment of its own (`pip install -e '.[test,tpu-compiler]'`): where libtpu is
installed, JAX looks for a TPU unless told otherwise.
"""

from __future__ import annotations

import math

import pytest

from jaxreg.bench.accelerators import CASES, TARGETS, compiled
from jaxreg.data import fashion

pytestmark = pytest.mark.compilers

# Cycles a member-step on a v5e at the block that the engine chooses, by the compiler's estimate: bounds some 2 % above
# what they were when they were reached, since every version of the compiler schedules anew.
CYCLES = {
    "plain": 7_500,
    "bf16 products": 6_500,
    "dropout": 12_000,
    "batch normalisation": 12_400,
    "early stopping": 7_500,
}
TEMPORARIES = 1_000_000  # bytes a member in an epoch


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    return request.param, compiled(TARGETS["v5e"], CASES[request.param])


def test_nothing_is_as_large_as_a_data_set_for_each_member(case):
    """In no program: an array may be the images, once; two members' worth of them is a copy for each."""
    _, found = case
    images = fashion.load().train.inputs.nbytes
    for program in found["programs"]:
        assert program["largest_anywhere"] <= images, program["name"]
        assert program["arguments"] < 2 * images + found["block"] * 16e6


def test_no_double_precision(case):
    _, found = case
    for program in found["programs"]:
        assert not {"f64", "s64", "u64"} & set(program["types"]), program["name"]


def test_temporaries_and_cycles_stay_below_their_bounds(case):
    name, found = case
    assert found["temporaries"] <= TEMPORARIES
    assert found["cycles"] <= CYCLES[name]


def test_the_block_is_the_best_of_its_neighbours():
    """The engine's choice against half of it and twice as much: what no longer fits is paid for."""
    chosen = compiled(TARGETS["v5e"], {}, whole=False)
    for block in (chosen["block"] // 2, chosen["block"] * 2):
        assert compiled(TARGETS["v5e"], {}, block, whole=False)["cycles"] > chosen["cycles"]


def test_half_an_epoch_costs_half_as_much():
    """So whatever the compiler moves out of the loop, or unrolls, is in the figure."""
    short, long = (compiled(TARGETS["v5e"], {}, steps=steps, whole=False) for steps in (188, 375))
    assert math.isclose(short["cycles"], long["cycles"], rel_tol=0.02)


def test_scores_share_the_test_images():
    """57 cycles an image and member when each had a copy; what does the products is 24 of them."""
    found = compiled(TARGETS["v5e"], {})
    predict = next(program for program in found["programs"] if program["name"] == "predict")
    assert predict["cycles"] / found["block"] / 1000 < 35
