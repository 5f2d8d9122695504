"""How large a network is, in parameters and in memory. Needs no JAX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def parameters(layers: Sequence[int]) -> int:
    """Kernels and biases of dense layers; `layers` are the numbers of units, from the inputs to the outputs."""
    return sum((before + 1) * after for before, after in pairwise(layers))


EVALUATION_BATCH = 1000
EVALUATION_NUMBERS = 2**24  # 64 MiB; a convolution's patches of 1,000 images may be a gigabyte
TRAINING_BATCH = 100  # what three times the usual batch, forward and back, comes to


def evaluated_at_once(units: int) -> int:
    """How many examples are predicted together, for so many numbers on their way for one of them."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_NUMBERS // units))


def bytes_per_member(parameters: int, units: int) -> int:
    """Device memory of one member: weights, two moments, gradient and as much again in flight, and its examples.

    `units` are the numbers on their way for one example, of which an evaluation, or a step, has many at once.
    """
    return 4 * (8 * parameters + max(TRAINING_BATCH, evaluated_at_once(units)) * units)
