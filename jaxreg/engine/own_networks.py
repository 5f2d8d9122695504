"""Networks of others: a Flax module, Linen or NNX, or a pair of functions, as the engine's `Network`.

A module is traced once, for the data at hand. What identifies it is the program itself: its name in settings ends in
the digest of what JAX makes of its `init` and `apply`, so that members of a changed module are other members.
"""

from __future__ import annotations

import importlib
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.engine.convolutions import as_products, convolves
from jaxreg.engine.flax_modules import Apply, Init, found_at, functions_of, numbers_of, with_fields
from jaxreg.engine.jaxprs import numbers
from jaxreg.engine.networks import Params, Weights
from jaxreg.engine.registry import MARK, Registry
from jaxreg.engine.tracing import BATCHES, Traced, agree, shapes, spelled, traced
from jaxreg.errors import UserError
from jaxreg.formatting import brief

Penalised = Callable[[str], bool]
Names = tuple[str, ...]  # of fields
NOTHING: Mapping[str, Any] = {}
HALVES = re.compile(r"\b(bf16|f16)\[")  # as programs are written


@dataclass(frozen=True)
class OwnNetwork:
    """Somebody's network. Two are one where name and digest are."""

    name: str  # with its digest
    size: int  # parameters
    width: int  # numbers that are on their way for one example
    penalised_paths: tuple[str, ...]
    side_by_side: bool
    convolves: bool
    traced_fields: tuple[str, ...]
    _functions: Callable[..., tuple[Init, Apply]] = field(compare=False, repr=False)  # of these values

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

    def at(self, values: Any) -> OwnNetwork:
        return replace(self, _functions=partial(self._functions, *values)) if self.traced_fields else self

    def init(self, key: Any, inputs: Float[Array, "batch ..."]) -> Weights:
        return Weights(*self._functions()[0](key, inputs))

    def apply(
        self, weights: Weights, inputs: Any, *, valid: Any = None, rates: Any = None, key: Any = None
    ) -> tuple[Float[Array, "batch output"], Any]:
        output, state = self._functions()[1](weights.params, weights.statistics, inputs, train=key is not None, key=key)
        return output.astype(jnp.float32), state  # losses are, whatever it computes in

    def penalised(self, params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: spelled(path) in self.penalised_paths, params)

    def last_gradient(self, gradient: Params) -> Float[Array, ""]:
        return sum((leaf.reshape(-1)[0] for leaf in jax.tree.leaves(gradient)), jnp.zeros([]))


_FOUND_AT: dict[str, str | None] = {}  # by name
_AGREED: dict[str, Any] = {}  # by name and digest, networks whose traced fields do what constants do
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
        where = "It is looked for as Python's import does, here first."
        file = module.removesuffix(".py")
        typed = f" Type {flag} {file}:{name}." if file != module else ""
        raise UserError(f"{flag} {text}: {error}. {where}{typed}") from None


def register(
    network: Any,
    inputs: tuple[int, ...],
    outputs: int,
    called: str | None = None,
    penalised: Penalised | None = None,
    fields: Mapping[str, Any] = NOTHING,
) -> OwnNetwork:
    """Makes a network known, for examples of this shape; `known` has it by its name then.

    Args:
        network: a Linen module, an NNX module's class or a function of `rngs` that makes one, or `(init, apply)`.
        inputs: shape of one example.
        outputs: how many numbers it is to give for one.
        called: its name; that of its class or function by default.
        penalised: whether penalties, decay and constraints act on the parameter of a path such as "Dense_0/kernel"; by
            default on every kernel (of two axes or more, and no bias) but the last.
        fields: values of its fields, in the place of those that it has. What a Linen module annotates as `float` is
            traced where that can be, so that networks with other values of it are one program.

    Raises:
        UserError: it is none of these, has no parameters, gives another shape, or can't be traced.
    """
    usual = functions_of(with_fields(network, fields))[2]
    given, called = called, called or re.sub(r"[^\w.+-]", "", usual) or "network"
    # What two functions are called by is the name of their module, which nobody has given.
    shown = "(init, apply)" if given is None and isinstance(network, tuple | list) else called

    def program(names: Names, examples: int = 2, given: Mapping[str, Any] = NOTHING) -> Traced:
        functions = _functions(network, {**fields, **given}, names)
        return traced(shown, functions, len(names), inputs, outputs, examples)

    def agrees(names: Names, one: Traced) -> bool:
        """At these values and at others, that nobody writes into a program."""
        key = called + one.digest(repr(names))
        if _AGREED.get(key) is not network:
            given = {name: fields[name] for name in names}
            for constants in (given, {name: 0.9 * value + 0.0417 for name, value in given.items()}):
                if not agree(one, program((), given=constants), [*map(float, constants.values())], inputs):
                    return False
            _AGREED[key] = network
        return True

    names, one = _traceable(numbers_of(network, fields), program, agrees)
    paths = _penalised(one.params, one.order, outputs, penalised)
    more = repr((names, paths))
    name = f"{called}{MARK}{one.digest(more)[:16]}"
    _FOUND_AT[name] = called if ":" in called else found_at(network)  # in two places: the last counts
    if name in _REGISTRY:
        return known(name)
    if shapes(one.params) != shapes(program(names, 3).params):
        raise UserError(f"network {shown}: has other parameters for three examples than for two. {BATCHES}")
    if program(names).digest(more) != one.digest(more):
        raise UserError(
            f"network {shown}: is another program each time that JAX traces it, so that each member would be compiled "
            "anew, and none be known again. Keep np.random, counters and clocks out of it; chance is from JAX's keys."
        )
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(one.params))
    functions = _functions(network, fields, names)
    if convolving := convolves(one.programs[2]):
        functions = _by_products(functions)
        one = traced(shown, functions, len(names), inputs, outputs, 2)
    # Of a convolution that stays, the gradient can't be batched inside a shard_map: NotImplementedError in 0.7.2.
    batches = not convolves(one.programs[2]) or jax.__version_info__ >= (0, 10)
    units = numbers(one.programs[1]) // 2
    return _REGISTRY.add(OwnNetwork(name, size, units, paths, batches, convolving, names, functions))


def _functions(network: Any, fields: Mapping[str, Any], names: Names) -> Callable[..., tuple[Init, Apply]]:
    """From values of the fields with these names to `init` and `apply`; of the others the values are known."""

    def made(*values: Any) -> tuple[Init, Apply]:
        return functions_of(with_fields(network, {**fields, **dict(zip(names, values, strict=True))}))[:2]

    once = None if names else made()  # what makes an NNX module need not be called each time
    return made if once is None else lambda: once


def _by_products(functions: Callable[..., tuple[Init, Apply]]) -> Callable[..., tuple[Init, Apply]]:
    def made(*values: Any) -> tuple[Init, Apply]:
        init, apply = functions(*values)
        return init, as_products(apply)

    return made


def _traceable(
    candidates: Names, program: Callable[[Names], Traced], agrees: Callable[[Names, Traced], bool]
) -> tuple[Names, Traced]:
    """Those of some fields of numbers that can be traced, and the program in which they are.

    None by which the network decides in Python, as Flax's own dropout does, or of which it looks at the type; none that
    it makes no use of; and none at all where it computes in another type than float32: there Python's numbers leave the
    type as it is, and arrays of float32 do not.
    """

    def tried(names: Names) -> tuple[Names, Traced] | None:
        try:
            made = program(names)
        except UserError:
            return None
        if used := tuple(itertools.compress(names, made.uses)):
            halves = any(HALVES.search(str(one)) for one in made.programs)
            return None if halves else tried(used) if used != names else (names, made) if agrees(names, made) else None
        return None

    found = tried(candidates) if candidates else None
    if found is None and len(candidates) > 1:
        alone = tuple(name for name in candidates if tried((name,)))
        found = tried(alone) if alone else None
    return found or ((), program(()))


def _penalised(params: Any, order: list[str], outputs: int, asked: Penalised | None) -> tuple[str, ...]:
    shapes = {spelled(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    if asked is not None:
        return tuple(path for path in shapes if asked(path))
    kernels = [path for path, shape in shapes.items() if len(shape) > 1 and not path.endswith("bias")]
    kernels.sort(key=lambda path: order.index(path) if path in order else -1)
    last = [path for path in kernels if shapes[path][-1] == outputs][-1:]
    return tuple(path for path in kernels if path not in last)
