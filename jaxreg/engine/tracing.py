"""What JAX makes of somebody's network: its programs, by which it is known, and whether it can be trained at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import UserError

BATCHES = "Batches differ in size, and it has to take any number of examples."
NUMBERS = {2: "two", 3: "three"}
BRANCHES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
)


class Traced(NamedTuple):
    """What JAX makes of a network for some number of examples: programs, and everything else as shapes."""

    programs: tuple[Any, Any, Any]  # of `init`, and of `apply` still and training
    params: Any
    order: list[str]  # of their paths, as they were made
    state: Any
    moved: Any  # the state after a step
    output: Any
    examples: int

    def digest(self, more: str) -> str:
        """As of `digest_of`."""
        return digest_of(self.programs, more)


def traced(called: str, functions: Callable[..., Any], fields: int, inputs: Any, examples: int) -> Traced:
    """Traces a network anew: each time functions of their own, of which JAX keeps nothing. Raises `UserError`.

    Args:
        called: its name.
        functions: `init` and `apply`, from values of
        fields: so many fields, "field" numbers.
        inputs: shape of an example.
        examples: how many there are.
    """
    values = (jax.ShapeDtypeStruct((), jnp.float32),) * fields
    x, key = jax.ShapeDtypeStruct((examples, *inputs), jnp.float32), jax.eval_shape(lambda: jax.random.key(0))
    order: list[str] = []

    def first(key: Any, x: Any, *values: Any) -> Any:
        made = functions(*values)[0](key, x)
        order.extend(_in_order(made[0]))
        return made

    def trained(params: Any, state: Any, x: Any, key: Any, *values: Any) -> Any:
        return functions(*values)[1](params, state, x, train=True, key=key)

    def still(params: Any, state: Any, x: Any, *values: Any) -> Any:
        return functions(*values)[1](params, state, x, train=False, key=None)

    try:
        begun, (params, state) = jax.make_jaxpr(first, return_shape=True)(key, x, *values)
        tested, (output, _) = jax.make_jaxpr(still, return_shape=True)(params, state, x, *values)
        stepped, (_, moved) = jax.make_jaxpr(trained, return_shape=True)(params, state, x, key, *values)
    except BRANCHES as error:
        said = str(error).splitlines()[0]
        raise UserError(f"network {called}: decides by a value that is only known when it runs ({said}).") from None
    except Exception as error:  # of somebody else's code, which may raise any
        said = [*str(error).splitlines(), type(error).__name__][0]
        raise UserError(
            f"network {called} can't be traced for {NUMBERS[examples]} examples of the shape {inputs}: {said}"
        ) from None
    return Traced((begun, tested, stepped), params, order, state, moved, output, examples)


def check(called: str, one: Traced, outputs: int) -> None:
    """Raises `UserError` where it is nothing that can be trained."""
    leaves = jax.tree_util.tree_leaves_with_path(one.params)
    if not leaves:
        raise UserError(f"network {called} has no parameters, and nothing to train.")
    for path, leaf in leaves:
        if leaf.dtype != jnp.float32:
            raise UserError(
                f"network {called}: its parameter {spelled(path)} is {leaf.dtype}, and what is trained is float32. "
                "Make it with param_dtype=jnp.float32; a layer computes in another type with dtype=…."
            )
    expected = (one.examples, outputs)
    if not hasattr(one.output, "shape") or one.output.shape != expected:
        got = list(getattr(one.output, "shape", [])) or type(one.output).__name__
        raise UserError(
            f"network {called}: gives {got} for {NUMBERS[one.examples]} examples, expected {list(expected)}: one for "
            "each class or quantity."
        )
    if not jnp.issubdtype(one.output.dtype, jnp.floating):
        raise UserError(f"network {called}: gives {one.output.dtype}, expected real numbers, such as float32.")
    if shapes(one.moved) != shapes(one.state):
        raise UserError(
            f"network {called}: its state has other names, shapes or types after a step than before it: "
            f"{shapes(one.moved)}, and before it {shapes(one.state)}."
        )


def shapes(tree: Any) -> dict[str, str]:
    """Type and shape of each leaf, by its path: "float32[3, 8]"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {spelled(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


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
