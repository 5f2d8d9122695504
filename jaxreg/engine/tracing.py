"""What JAX makes of somebody's network: its programs, by which it is known, and whether it can be trained at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.engine.jaxprs import digest_of, gives_probabilities, needed, occurs
from jaxreg.errors import UserError

BATCHES = "Batches differ in size, and it has to take any number of examples."
NUMBERS = {2: "two", 3: "three"}
BRANCHES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
)


class Traced(NamedTuple):
    """What JAX makes of a network for some number of examples: programs, and parameters as shapes."""

    programs: tuple[Any, Any, Any, Any]  # of `init`, of `apply` still and training, and of the gradient of the latter
    params: Any
    order: list[str]  # of their paths, as they were made
    uses: tuple[bool, ...]  # of each field that is traced: whether it is anywhere in the programs

    def digest(self, more: str) -> str:
        """As of `digest_of`."""
        return digest_of(self.programs, more)


def traced(called: str, functions: Callable[..., Any], fields: int, inputs: Any, outputs: int, examples: int) -> Traced:
    """Traces a network anew: each time functions of their own, of which JAX keeps nothing.

    Args:
        called: its name.
        functions: `init` and `apply`, from values of
        fields: so many fields, "field" numbers.
        inputs: shape of an example.
        outputs: how many numbers it is to give for one.
        examples: how many there are.

    Raises:
        UserError: it can't be traced, or is nothing that can be trained.
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

    def gradient(params: Any, *more: Any) -> Any:
        output, back, _ = jax.vjp(lambda params: trained(params, *more), params, has_aux=True)
        return back(jnp.ones_like(output))

    def program(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return jax.make_jaxpr(function, return_shape=True)(*arguments, *values)
        except BRANCHES as error:
            said = str(error).splitlines()[0]
            raise UserError(f"network {called}: decides by a value that is only known when it runs ({said}).") from None
        except UserError:  # says already what is to be typed
            raise
        except Exception as error:  # of somebody else's code, which may raise any
            said = [*str(error).splitlines(), type(error).__name__][0]
            what = "differentiated" if function is gradient else "traced"
            raise UserError(
                f"network {called} can't be {what} for {NUMBERS[examples]} examples of the shape {inputs}: {said}"
            ) from None

    begun, (params, state) = program(first, key, x)
    tested, (output, _) = program(still, params, state, x)
    stepped, (_, moved) = program(trained, params, state, x, key)
    _check(called, params, state, moved, output, (examples, outputs))
    if gives_probabilities(tested):
        raise UserError(
            f"network {called}: ends in a softmax or a sigmoid, and is to give logits, or standardised quantities: any "
            "real numbers. Leave it out; the loss of classes has a softmax."
        )
    back, _ = program(gradient, params, state, x, key)
    programs = begun, tested, stepped, back
    places = [[occurs(one, one.jaxpr.invars[place - fields]) for one in programs] for place in range(fields)]
    return Traced(programs, params, order, tuple(map(any, places)))


def _check(called: str, params: Any, state: Any, moved: Any, output: Any, expected: tuple[int, int]) -> None:
    """Raises `UserError` where it is nothing that can be trained: of its programs what they take and give, as shapes.

    Args:
        called: its name.
        params: of the network.
        state: before a step, and
        moved: after it.
        output: what it gives.
        expected: shape of what it is to give.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise UserError(f"network {called} has no parameters, and nothing to train.")
    for path, leaf in leaves:
        if leaf.dtype != jnp.float32:
            raise UserError(
                f"network {called}: its parameter {spelled(path)} is {leaf.dtype}, and what is trained is float32. "
                "Make it with param_dtype=jnp.float32; a layer computes in another type with dtype=…."
            )
    if not hasattr(output, "shape") or output.shape != expected:
        got = list(getattr(output, "shape", [])) or type(output).__name__
        raise UserError(
            f"network {called}: gives {got} for {NUMBERS[expected[0]]} examples, expected {list(expected)}: one for "
            "each class or quantity."
        )
    if not jnp.issubdtype(output.dtype, jnp.floating):
        raise UserError(f"network {called}: gives {output.dtype}, expected real numbers, such as float32.")
    if shapes(moved) != shapes(state):
        raise UserError(
            f"network {called}: its state has other names, shapes or types after a step than before it: "
            f"{shapes(moved)}, and before it {shapes(state)}."
        )


def shapes(tree: Any) -> dict[str, str]:
    """Type and shape of each leaf, by its path: "float32[3, 8]"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {spelled(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def agree(one: Traced, other: Traced, values: Sequence[float], inputs: Any) -> bool:
    """Whether a network whose fields are traced is, at these values of them, the one that was made with them.

    They may differ where the network looks at the type of a field, which a traced one does not have. Both are run for
    two random examples on random parameters: zeros hide what comes before them, and to draw first ones takes long to
    compile. They are drawn where what draws them is not the same program anyway.
    """
    random, own = np.random.default_rng(0), len(jax.tree.leaves(one.params))
    x = random.normal(size=(2, *inputs)).astype(np.float32)
    params = [0.1 * random.normal(size=leaf.shape).astype(np.float32) for leaf in jax.tree.leaves(one.params)]
    begun, still, stepped, back = zip(one.programs, other.programs, strict=True)

    def far(found: Sequence[Any], expected: Sequence[Any]) -> Any:
        def norm(leaves: Sequence[Any]) -> Any:
            return jnp.sqrt(sum(jnp.sum(jnp.square(leaf.astype(jnp.float32))) for leaf in leaves))

        pairs = [pair for pair in zip(found, expected, strict=True) if jnp.issubdtype(pair[0].dtype, jnp.number)]
        return ~(norm([a - b for a, b in pairs]) <= CLOSE * norm([b for _, b in pairs])) if pairs else jnp.bool_(False)

    @jax.jit
    def differ(params: Any, x: Any, key: Any, values: Any) -> Any:
        first = [_run(begun[0], key, x, *values), _run(begun[1], key, x)]
        weights = [*params, *first[1][own:]]
        found, expected = ([] if needed(begun[0]) == needed(begun[1]) else leaves for leaves in first)
        for program, given in ((still, (*weights, x)), (stepped, (*weights, x, key))):
            found, expected = found + _run(program[0], *given, *values), expected + _run(program[1], *given)
        # Not leaf by leaf: a gradient may be 0 but for rounding.
        gradients = _run(back[0], *weights, x, key, *values), _run(back[1], *weights, x, key)
        pairs = zip(found, expected, strict=True)
        return jnp.any(jnp.stack([far(*gradients), *(far([a], [b]) for a, b in pairs)]))

    return not differ(params, x, jax.random.key(0), tuple(map(jnp.float32, values)))


CLOSE = 1e-4
"""Relative, of norms. What Python computes with a constant is rounded once more where it is traced, and products on an
accelerator may round to fewer digits on top of that."""


def _run(program: Any, *arguments: Any) -> list[Any]:
    return list(jax.core.eval_jaxpr(program.jaxpr, program.consts, *arguments))


def spelled(path: Any) -> str:
    """A path in a tree as people write it: "Dense_0/kernel"."""
    inside = path[-1:] == (jax.tree_util.GetAttrKey("value"),)  # of a variable of NNX
    return jax.tree_util.keystr(path[:-1] if inside else path, simple=True, separator="/")


def _in_order(tree: Any, before: str = "") -> list[str]:
    """Paths in the order in which they were made, which JAX's own trees forget."""
    if isinstance(tree, Mapping):
        return [path for name, inner in tree.items() for path in _in_order(inner, f"{before}{name}/")]
    return [f"{before}{spelled(path)}".rstrip("/") for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
