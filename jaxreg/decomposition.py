"""Bias and variance of predictions from any library: the public door to `jaxreg.statistics.decomposition`."""

from jaxreg.statistics.decomposition import LOSSES, MEASURES, PARTS, SHARES, Accumulator, decompose

__all__ = ["LOSSES", "MEASURES", "PARTS", "SHARES", "Accumulator", "decompose"]
