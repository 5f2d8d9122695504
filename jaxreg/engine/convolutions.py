"""Convolutions as products of matrices: their patches, side by side, times the kernel.

XLA makes one grouped convolution of the convolutions of several members, each with a kernel of its own, at which GPUs
are slow; in a loop on a CPU, one alone is slow. A product is what devices are made for, its gradients are products too,
and those of several members are one batch of products. Training two convolutions and a dense layer on a core is 4 to 19
times as fast by products, the more features the more, and a sweep of such networks on an H100 took 15 s in the place of
99. A TPU v5e would take 2.2 times as many cycles a step, by its compiler's estimate; but that is done with products in
33 s in the place of 128, which is more than the sweep takes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Array, Float

CONVOLUTION = "conv_general_dilated"
WRAPPERS = {"jit", "pjit", "closed_call"}
"""What is in there is looked at too. What is in a loop, a branch or a `remat` stays as it is."""
MOST_PLACES = 49
"""Of a kernel, seven by seven: each is a slice of the images, and a program of hundreds takes long to compile."""


def as_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays, to rounding, with products in the place of its convolutions."""

    @wraps(function)
    def run(*arguments: Any, **how: Any) -> Any:
        program, shapes = jax.make_jaxpr(lambda *given: function(*given, **how), return_shape=True)(*arguments)
        found = _evaluated(program, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), found)

    return run


def convolves(program: ClosedJaxpr) -> bool:
    """Whether a program has convolutions, wherever in it they are."""
    return CONVOLUTION in str(program)


def _evaluated(program: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
    """What a program gives for these arguments."""
    values = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    values |= dict(zip(program.jaxpr.invars, arguments, strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in program.jaxpr.eqns:
        name = equation.primitive.name
        if name == CONVOLUTION and _suits(equation):
            results = [_product(*map(value, equation.invars), **equation.params)]
        elif name in WRAPPERS and convolves(inner := _inner(equation)):
            results = _evaluated(inner, [value(variable) for variable in equation.invars])
        else:
            results = _as_it_is(equation, program, value)
        values |= dict(zip(equation.outvars, results, strict=True))
    return [value(variable) for variable in program.jaxpr.outvars]


def _as_it_is(equation: Any, program: ClosedJaxpr, value: Callable[[Any], Any]) -> list[Any]:
    """How an equation is called differs between versions of JAX: a program of it alone knows."""
    taken = list(dict.fromkeys(one for one in equation.invars if not isinstance(one, Literal)))
    alone = program.jaxpr.replace(constvars=(), invars=taken, outvars=equation.outvars, eqns=[equation])
    found: list[Any] = jax.core.eval_jaxpr(alone, (), *map(value, taken))
    return found


def _inner(equation: Any) -> ClosedJaxpr:
    return equation.params.get("jaxpr") or equation.params["call_jaxpr"]


def _suits(equation: Any) -> bool:
    kernel, how = equation.invars[1].aval.shape, equation.params
    places = math.prod(kernel[axis] for axis in how["dimension_numbers"].rhs_spec[2:])
    return places <= MOST_PLACES and how["batch_group_count"] == 1


def _product(
    images: Float[Array, "*image"],
    kernel: Float[Array, "*window"],
    *,
    dimension_numbers: Any,
    window_strides: Sequence[int],
    padding: Sequence[Any],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    feature_group_count: int,
    precision: Any,
    preferred_element_type: Any,
    **_: Any,
) -> Float[Array, "*out"]:
    """What `jax.lax.conv_general_dilated` gives for these arguments."""
    image_axes, kernel_axes, out_axes = dimension_numbers
    groups = feature_group_count
    images = images.transpose(image_axes[0], *image_axes[2:], image_axes[1])  # "image *place feature"
    kernel = kernel.transpose(*kernel_axes[2:], *kernel_axes[1::-1])  # "*place feature output"
    *window, features, outputs = kernel.shape
    spread = [(int(low), int(high), step - 1) for (low, high), step in zip(padding, lhs_dilation, strict=True)]
    padded = lax.pad(images, jnp.zeros([], images.dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    places = [
        (whole - (size - 1) * apart - 1) // stride + 1
        for whole, size, apart, stride in zip(padded.shape[1:-1], window, rhs_dilation, window_strides, strict=True)
    ]

    def shifted(first: tuple[int, ...]) -> Array:
        """Each place's input at this place of the kernel."""
        begin = [at * apart for at, apart in zip(first, rhs_dilation, strict=True)]
        end = [b + (n - 1) * stride + 1 for b, n, stride in zip(begin, places, window_strides, strict=True)]
        strides = (1, *window_strides, 1)
        return lax.slice(padded, (0, *begin, 0), (padded.shape[0], *end, padded.shape[-1]), strides)

    patches = jnp.stack([shifted(first) for first in itertools.product(*map(range, window))], axis=-2)
    rows, size = padded.shape[0] * math.prod(places), math.prod(window)
    patches = patches.reshape(rows, size, groups, features)
    kernel = kernel.reshape(size, features, groups, outputs // groups)
    how = {"precision": precision, "preferred_element_type": preferred_element_type}
    if groups == 1:
        product = lax.dot(patches.reshape(rows, -1), kernel.reshape(-1, outputs), **how)
    else:
        product = jnp.einsum("rpgf,pfgo->rgo", patches, kernel, **how)
    product = product.reshape(padded.shape[0], *places, outputs)
    back = [0] * product.ndim
    for axis, at in zip(out_axes, (0, product.ndim - 1, *range(1, product.ndim - 1)), strict=True):
        back[axis] = at
    return product.transpose(back)
