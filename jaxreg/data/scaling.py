"""How the network sees inputs: as they are, divided by a constant, or standardised; and quantities, standardised."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxreg.data.encoding import Encoding


class Scaling(NamedTuple):
    """What is subtracted from numbers, and what they are then divided by: the same for all, or one a feature."""

    shift: Any
    scale: Any

    def of(self, numbers: Any) -> Any:
        """Numbers as they are seen."""
        return (numbers - self.shift) / self.scale

    def undone(self, seen: Any) -> Any:
        """The numbers that are seen so."""
        return seen * self.scale + self.shift


FIXED = {"raw": Scaling(0.0, 1.0), "unit": Scaling(0.0, 255.0)}
"""The scalings that do not depend on the data."""


def scaling(name: str, inputs: np.ndarray) -> Scaling:
    """How a setting sees these inputs. What is not of 8-bit levels was standardised when it was read."""
    if inputs.dtype != np.uint8:
        return FIXED["raw"]
    return FIXED.get(name) or standard(inputs)


def standard(inputs: np.ndarray) -> Scaling:
    """Mean and deviation of 8-bit inputs, from the 256 levels' counts: exact, and no float copy of the images."""
    counts = np.bincount(inputs.reshape(-1), minlength=256)
    levels = np.arange(256)
    mean = float(np.average(levels, weights=counts))
    return Scaling(mean, float(np.sqrt(np.average((levels - mean) ** 2, weights=counts))))


def of_features(inputs: np.ndarray, encoding: Encoding | None) -> Scaling | None:
    """How features are seen that these rows alone standardise, a number each; None of 8-bit levels.

    Kinds of a text stay 0 and 1. What teaches nothing, a number that is the same in all of these rows or a kind that
    none of them has, is 0 in whatever row: it is divided by infinity.

    Args:
        inputs: the rows, "row feature", as the data set has them: standardised by more rows than these.
        encoding: which features are numbers; all of them where there is none.
    """
    if inputs.dtype == np.uint8:
        return None
    numbers = np.ones(inputs.shape[1:], bool) if encoding is None else encoding.numbers
    mean, spread = inputs.mean(0, dtype=np.float64), inputs.std(0, dtype=np.float64)
    same = np.where(numbers, spread, mean) == 0
    scale = np.where(same, np.inf, np.where(numbers, spread, 1.0))
    return Scaling(np.float32(np.where(numbers, mean, 0.0)), np.float32(scale))


def of_quantities(targets: Float[np.ndarray, "row quantity"]) -> Scaling:
    """How quantities are seen that these rows alone standardise, a number each."""
    mean, spread = targets.mean(0, dtype=np.float64), targets.std(0, dtype=np.float64)
    return Scaling(np.float32(mean), np.float32(np.where(spread == 0, 1.0, spread)))
