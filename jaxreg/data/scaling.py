"""How the network sees inputs: as they are, divided by a constant, or standardised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Scaling(NamedTuple):
    """What is subtracted from inputs, and what they are then divided by."""

    shift: float
    scale: float


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
