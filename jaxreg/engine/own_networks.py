"""Networks of others: a Flax module, Linen or NNX, or a pair of functions, as the engine's `Network`.

A module is traced once, for the data at hand. What identifies it is the program itself: its name in settings ends in
the digest of what JAX makes of its `init` and `apply`, so that members of a changed module are other members.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.engine.convolutions import as_products, convolves
from jaxreg.engine.flax_modules import found_at, functions_of
from jaxreg.engine.networks import Params, Weights
from jaxreg.engine.registry import MARK, Registry
from jaxreg.engine.tracing import BATCHES, check, shapes, spelled, traced
from jaxreg.errors import UserError
from jaxreg.formatting import brief

Penalised = Callable[[str], bool]


@dataclass(frozen=True)
class OwnNetwork:
    """Somebody's network. Two are one where name and digest are."""

    name: str  # with its digest
    size: int  # parameters
    width: int  # numbers that are on their way for one example
    penalised_paths: tuple[str, ...]
    side_by_side: bool
    convolves: bool
    _init: Callable[..., Any] = field(compare=False, repr=False)
    _apply: Callable[..., Any] = field(compare=False, repr=False)

    masks_padding = False  # its batch statistics would have the padding in

    @property
    def found_at(self) -> str | None:
        """Where Python finds it: package.module:name."""
        return _FOUND_AT.get(self.name)

    def __str__(self) -> str:
        return self.name.partition(MARK)[0]

    def parameters(self, inputs: int) -> int:
        return self.size

    def units(self, inputs: int) -> int:
        return inputs + self.width

    def init(self, key: Any, inputs: Float[Array, "batch ..."]) -> Weights:
        return Weights(*self._init(key, inputs))

    def apply(
        self, weights: Weights, inputs: Any, *, valid: Any = None, rates: Any = None, key: Any = None
    ) -> tuple[Float[Array, "batch output"], Any]:
        output, state = self._apply(weights.params, weights.statistics, inputs, train=key is not None, key=key)
        return output.astype(jnp.float32), state  # losses are, whatever it computes in

    def penalised(self, params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: spelled(path) in self.penalised_paths, params)

    def last_gradient(self, gradient: Params) -> Float[Array, ""]:
        return sum((leaf.reshape(-1)[0] for leaf in jax.tree.leaves(gradient)), jnp.zeros([]))


_FOUND_AT: dict[str, str | None] = {}  # by name
_REGISTRY: Registry[OwnNetwork] = Registry("network")
known, unknown = _REGISTRY.known, _REGISTRY.unknown


def named(text: str, flag: str = "--network") -> Any:
    """What `package.module:name`, given with this flag, stands for. Raises `UserError` where there is no such thing."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise UserError(f"{flag}: must be package.module:name, such as mynet:CNN, got {brief(text)}.")
    if not {"", here := os.getcwd()} & {*sys.path}:
        sys.path.insert(0, here)  # as python -m has it, and a script that pip made does not
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # of somebody else's module, which may raise any
        raise UserError(f"{flag} {text}: {error}. It is looked for as Python's import does, here first.") from None


def register(
    network: Any, inputs: tuple[int, ...], outputs: int, called: str | None = None, penalised: Penalised | None = None
) -> OwnNetwork:
    """Makes a network known, for examples of this shape; `known` has it by its name then.

    Args:
        network: a Linen module, an NNX module's class or a function of `rngs` that makes one, or `(init, apply)`.
        inputs: shape of one example.
        outputs: how many numbers it is to give for one.
        called: its name; that of its class or function by default.
        penalised: whether penalties, decay and constraints act on the parameter of a path such as "Dense_0/kernel"; by
            default on every kernel (of two axes or more) but the last.

    Raises:
        UserError: it is none of these, has no parameters, gives another shape, or can't be traced.
    """
    init, apply, usual = functions_of(network)
    called = called or re.sub(r"[^\w.+-]", "", usual) or "network"
    one = traced(called, init, apply, inputs, 2)
    check(called, one, outputs)
    three = traced(called, init, apply, inputs, 3)
    check(called, three, outputs)
    if shapes(one.params) != shapes(three.params):
        raise UserError(f"network {called}: has other parameters for three examples than for two. {BATCHES}")
    paths = _penalised(one.params, one.order, outputs, penalised)
    digest = one.digest(repr(paths))
    if traced(called, init, apply, inputs, 2).digest(repr(paths)) != digest:
        raise UserError(
            f"network {called}: is another program each time that JAX traces it, so that each member would be compiled "
            "anew, and none be known again. Keep np.random, counters and clocks out of it; chance is from JAX's keys."
        )
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(one.params))
    if convolving := convolves(one.programs[2]):
        apply = as_products(apply)
        one = traced(called, init, apply, inputs, 2)
    tested = one.programs[1].jaxpr
    units = sum(math.prod(v.aval.shape) for e in tested.eqns for v in e.outvars if hasattr(v.aval, "shape")) // 2
    # Of a convolution that stays, the gradient can't be batched inside a shard_map: NotImplementedError in 0.7.2.
    batches = not convolves(one.programs[2]) or jax.__version_info__ >= (0, 10)
    where = called if ":" in called else found_at(network)
    own = OwnNetwork(f"{called}{MARK}{digest[:16]}", size, units, paths, batches, convolving, init, apply)
    _FOUND_AT[own.name] = where  # two that are one may be found in two places: the last counts
    return _REGISTRY.add(own)


def _penalised(params: Any, order: list[str], outputs: int, asked: Penalised | None) -> tuple[str, ...]:
    shapes = {spelled(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    if asked is not None:
        return tuple(path for path in shapes if asked(path))
    kernels = [path for path, shape in shapes.items() if len(shape) > 1]
    kernels.sort(key=lambda path: order.index(path) if path in order else -1)
    last = [path for path in kernels if shapes[path][-1] == outputs][-1:]
    return tuple(path for path in kernels if path not in last)
