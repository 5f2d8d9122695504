"""Products of inputs and weights, as the device at hand makes them best.

8-bit inputs are scaled after the product and not before: all members of a block can read the same images.
A TPU gains more. It makes a float32 product of six bfloat16 ones: three pieces of one factor, eight bits each, times
three of the other, of which it leaves out the smallest. Levels from 0 to 255 are one such piece already, so three
products are as exact; divided by 255 they are not. By the TPU compiler's estimate, that saves a quarter of a step
(``python -m jaxreg.bench --only accelerators``).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PIECES = {"float32": 3, "tf32": 2, "bf16": 1}
"""How many of a weight take part, by the precision of products."""


@jax.custom_vjp
def dense(inputs: Float[Array, "batch feature"], kernel: Float[Array, "feature unit"]) -> Float[Array, "batch unit"]:
    """Inputs times a matrix; a CPU takes the gradient of the matrix from a transposed copy of the inputs.

    XLA has fast products for a CPU only where the factor on the left lies by rows, and for this gradient it does not.
    For 16 members of 50-64-32-3 side by side and batches of 32 such products took two to four times as long as their
    copies and fast ones, and a step 1.13 times. From 50,000 weights of a layer on there is no difference.
    """
    return inputs @ kernel


def _dense_forward(inputs: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return dense(inputs, kernel), (inputs, kernel)


def _dense_backward(factors: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    inputs, kernel = factors
    of_kernel = jax.lax.platform_dependent(inputs, gradient, cpu=_by_rows, default=partial(_contracted, axis=0))
    return _contracted(gradient, kernel, axis=1), of_kernel


def _by_rows(left: Array, right: Array) -> Array:
    """The barrier keeps XLA from taking the copy back."""
    return jax.lax.optimization_barrier(left.T) @ right


def _contracted(left: Array, right: Array, axis: int) -> Array:
    """The product over the same axis of both."""
    return jax.lax.dot_general(left, right, (((axis,), (axis,)), ((), ())))


dense.defvjp(_dense_forward, _dense_backward)


class Levels(NamedTuple):
    """8-bit inputs as they are, and how a network is to see them: (levels - shift) / scale."""

    levels: Any  # "batch *feature", whole numbers from 0 to 255
    shift: Float[Array, ""]
    scale: Float[Array, ""]
    pieces: int | None  # of a weight, for bfloat16 products; None: one product of the device's own

    def times(self, kernel: Float[Array, "feature unit"]) -> Float[Array, "batch unit"]:
        """The scaled inputs times a matrix."""
        if self.pieces is None:
            product = self.levels.astype(kernel.dtype) @ kernel
        else:
            product = _product(self.pieces, self.levels.astype(jnp.bfloat16), kernel)
        return (product - self.shift * jnp.sum(kernel, axis=0)) / self.scale


def in_pieces(values: Float[Array, ...], pieces: int) -> list[Float[Array, ...]]:
    """Numbers of eight significant bits that add up to the values, to 8, 16 or 24 bits; the largest first."""
    found, rest = [], values
    for _ in range(pieces):
        # Not by a conversion to bfloat16 and back, which compilers leave out.
        found.append(jax.lax.reduce_precision(rest, exponent_bits=8, mantissa_bits=7))
        rest = rest - found[-1]
    return found


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(pieces: int, levels: Array, kernel: Array) -> Array:
    def times(piece: Array) -> Array:
        return jax.lax.dot(
            levels,
            piece.astype(jnp.bfloat16),
            precision=jax.lax.Precision.DEFAULT,
            preferred_element_type=jnp.float32,
        )

    return sum(map(times, reversed(in_pieces(kernel, pieces))), jnp.float32(0))


def _forward(pieces: int, levels: Array, kernel: Array) -> tuple[Array, Array]:
    return _product(pieces, levels, kernel), levels


def _backward(pieces: int, levels: Array, gradient: Array) -> tuple[None, Array]:
    # In one product: taken to pieces, XLA no longer makes one pass of it with the penalties and Adam (18 % slower).
    return None, _contracted(levels.astype(gradient.dtype), gradient, axis=0)


_product.defvjp(_forward, _backward)
