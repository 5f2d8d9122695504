"""Which penalties there are, what they are of, and what they add to a loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.engine.networks import Network, Params


class Penalties(NamedTuple):
    """Which of them somebody in a sweep has: cells with and without one are one program."""

    l1: bool = True
    l2: bool = True


ANY = Penalties()


class WeightNorms(NamedTuple):
    """Sums over the penalised kernels of one member."""

    absolute: Any  # "" sum|w|
    square: Any  # "" sum w^2


def penalised_kernels(network: Network, params: Params) -> list[Any]:
    """The arrays that penalties, decay and constraints act on, the first layer's first."""
    marked = zip(*map(jax.tree.leaves, (params, network.penalised(params))), strict=True)
    return [w for w, penalised in marked if penalised]


def weight_norms(network: Network, params: Params, absolute: bool = True, square: bool = True) -> WeightNorms:
    """``sum|w|`` and ``sum w^2`` over the penalised kernels of one member; 0 in the place of one that is not wanted."""
    kernels, zero = penalised_kernels(network, params), jnp.zeros([])
    sums = (jnp.sum(jnp.abs(w)) for w in kernels if absolute), (jnp.sum(w * w) for w in kernels if square)
    return WeightNorms(*(sum(some, zero) for some in sums))


def penalty(strengths: Any, norms: WeightNorms) -> Any:
    """What the penalties add to the loss; `strengths` are settings, or hyperparameters where they are traced."""
    return (strengths.l1 + strengths.l1_exact) * norms.absolute + strengths.l2 * norms.square
