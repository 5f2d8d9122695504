"""Networks of others: a Flax module, Linen or NNX, or a pair of functions, as the engine's `Network`.

A module is traced once, for the data at hand. What identifies it is the program itself: its name in settings ends in
the digest of what JAX makes of its `init` and `apply`, so that members of a changed module are other members.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxreg.engine.flax_modules import found_at, functions_of
from jaxreg.engine.networks import Params, Weights
from jaxreg.engine.registry import MARK, Registry
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
    found_at: str | None = field(compare=False)  # where Python finds it: package.module:name
    _init: Callable[..., Any] = field(compare=False, repr=False)
    _apply: Callable[..., Any] = field(compare=False, repr=False)

    masks_padding = False  # its batch statistics would have the padding in

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
        return self._apply(weights.params, weights.statistics, inputs, train=key is not None, key=key)  # type: ignore[no-any-return]

    def penalised(self, params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: spelled(path) in self.penalised_paths, params)

    def last_gradient(self, gradient: Params) -> Float[Array, ""]:
        return sum((leaf.reshape(-1)[0] for leaf in jax.tree.leaves(gradient)), jnp.zeros([]))


_REGISTRY: Registry[OwnNetwork] = Registry("network")
known, unknown = _REGISTRY.known, _REGISTRY.unknown


def named(text: str, flag: str = "--network") -> Any:
    """What `package.module:name`, given with this flag, stands for. Raises `UserError` where there is no such thing."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise UserError(f"{flag}: must be package.module:name, such as mynet:CNN, got {brief(text)}.")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
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
    called = called or usual
    example, key = jax.ShapeDtypeStruct((2, *inputs), jnp.float32), jax.eval_shape(lambda: jax.random.key(0))
    order: list[str] = []

    def first(key: Any, x: Any) -> Any:
        made = init(key, x)
        order.extend(_in_order(made[0]))
        return made

    def trained(params: Any, state: Any, x: Any, key: Any) -> Any:
        return apply(params, state, x, train=True, key=key)

    def still(params: Any, state: Any, x: Any) -> Any:
        return apply(params, state, x, train=False, key=None)

    try:
        begun, (params, state) = jax.make_jaxpr(first, return_shape=True)(key, example)
        tested, (output, _) = jax.make_jaxpr(still, return_shape=True)(params, state, example)
        stepped, (_, moved) = jax.make_jaxpr(trained, return_shape=True)(params, state, example, key)
    except jax.errors.ConcretizationTypeError as error:
        said = str(error).splitlines()[0]
        raise UserError(f"network {called}: decides by a value that is only known when it runs ({said}).") from None
    except (TypeError, ValueError, AttributeError, KeyError, AssertionError) as error:
        said = [*str(error).splitlines(), type(error).__name__][0]
        raise UserError(f"network {called} can't be traced for two examples of the shape {inputs}: {said}") from None
    if not jax.tree.leaves(params):
        raise UserError(f"network {called} has no parameters, and nothing to train.")
    if not hasattr(output, "shape") or output.shape != (2, outputs):
        got = list(getattr(output, "shape", [])) or type(output).__name__
        raise UserError(
            f"network {called}: gives {got} for two examples, expected [2, {outputs}]: one for each class or quantity."
        )
    if str(jax.tree.structure(moved)) != str(jax.tree.structure(state)):
        raise UserError(f"network {called}: its state is another tree after a step than before it.")
    paths = _penalised(params, order, outputs, penalised)
    digest = digest_of((begun, tested, stepped), repr(paths))
    units = sum(math.prod(v.aval.shape) for e in tested.jaxpr.eqns for v in e.outvars if hasattr(v.aval, "shape")) // 2
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    # Its gradient can't be batched inside a shard_map: NotImplementedError in 0.7.2, none in 0.10.
    batches = "conv_general_dilated" not in str(stepped) or jax.__version_info__ >= (0, 10)
    where = called if ":" in called else found_at(network)
    own = OwnNetwork(f"{called}{MARK}{digest[:16]}", size, units, paths, batches, where, init, apply)
    return _REGISTRY.add(own)


def digest_of(programs: Sequence[Any], more: str = "") -> str:
    """SHA-256 of what JAX made of functions, constants included, as hexadecimal digits."""
    text = "".join(re.sub(r"0x[0-9a-f]+", "", str(program)) for program in programs)  # without places in memory
    consts = [_bytes(constant) for program in programs for constant in program.consts]
    return hashlib.sha256(text.encode() + b"".join(consts) + more.encode()).hexdigest()


def _bytes(constant: Any) -> bytes:
    keys = jnp.issubdtype(getattr(constant, "dtype", np.float32), jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(constant) if keys else constant).tobytes()


def spelled(path: Any) -> str:
    """A path in a tree as people write it: "Dense_0/kernel"."""
    names = [str(getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", entry)))) for entry in path]
    return "/".join(name for name in names if name != "value")


def _in_order(tree: Any, before: tuple[str, ...] = ()) -> list[str]:
    """Paths in the order in which they were made, which JAX's own trees forget."""
    if not isinstance(tree, Mapping):
        return ["/".join(before)]
    return [path for name, inner in tree.items() for path in _in_order(inner, (*before, str(name)))]


def _penalised(params: Any, order: list[str], outputs: int, asked: Penalised | None) -> tuple[str, ...]:
    shapes = {spelled(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    if asked is not None:
        return tuple(path for path in shapes if asked(path))
    kernels = [path for path, shape in shapes.items() if len(shape) > 1]
    kernels.sort(key=lambda path: order.index(path) if path in order else -1)
    last = [path for path in kernels if shapes[path][-1] == outputs][-1:]
    return tuple(path for path in kernels if path not in last)
