"""Bias and variance of predictions from any library: the public door to `jaxreg.statistics.decomposition`."""

from jaxreg.statistics.accumulator import Accumulator
from jaxreg.statistics.decomposition import LOSSES, MEASURES, PARTS, SHARES, decompose

__all__ = ["LOSSES", "MEASURES", "PARTS", "SHARES", "Accumulator", "decompose"]
