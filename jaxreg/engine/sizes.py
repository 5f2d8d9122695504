"""How large a network is, in parameters and in memory. Needs no JAX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def parameters(layers: Sequence[int]) -> int:
    """Kernels and biases of dense layers; `layers` are the numbers of units, from the inputs to the outputs."""
    return sum((before + 1) * after for before, after in pairwise(layers))


def bytes_per_member(parameters: int, units: int) -> int:
    """Device memory of one member: weights, two moments, gradient and as much again in flight, and an evaluation.

    `units` are the numbers on their way for one example, of which an evaluation has 1,000 at once.
    """
    return 4 * (8 * parameters + 1000 * units)
