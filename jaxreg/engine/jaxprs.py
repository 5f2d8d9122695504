"""JAX's programs as they are read: what is in them, and by what two are told apart."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr


def digest_of(programs: Sequence[Any], more: str = "") -> str:
    """SHA-256 of what JAX made of functions, constants included, as hexadecimal digits."""
    text = "".join(re.sub(r"0x[0-9a-f]+", "", str(program)) for program in programs)  # without places in memory
    consts = [_bytes(constant) for program in programs for constant in _constants(program)]
    return hashlib.sha256(text.encode() + b"".join(consts) + more.encode()).hexdigest()


def _bytes(constant: Any) -> bytes:
    keys = jnp.issubdtype(getattr(constant, "dtype", np.float32), jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(constant) if keys else constant).tobytes()


def _constants(program: Any) -> Iterator[Any]:
    """Those of a program and of the programs in it, which are written without their values."""
    yield from getattr(program, "consts", ())
    for equation in program.eqns:
        for inner in _inside(equation):
            yield from _constants(inner)


def _inside(equation: Any) -> list[Any]:
    """The programs in an equation: of a function that is jitted, of a loop, of a branch."""
    leaves = jax.tree.leaves(equation.params, is_leaf=lambda one: isinstance(one, ClosedJaxpr | Jaxpr))
    return [leaf for leaf in leaves if isinstance(leaf, ClosedJaxpr | Jaxpr)]


def occurs(program: Any, variable: Any) -> bool:
    """Whether anything in a program is made of one of the variables that it takes."""
    used = [one for equation in program.eqns for one in equation.invars]
    return any(one is variable for one in [*used, *program.jaxpr.outvars])


def numbers(program: Any) -> int:
    """How many a program makes on its way, those of the programs in it counted, and a loop's as often as it runs."""
    found = 0
    for equation in program.eqns:
        given = sum(math.prod(one.aval.shape) for one in equation.outvars if hasattr(one.aval, "shape"))
        inner = sum(map(numbers, _inside(equation))) * equation.params.get("length", 1)
        found += max(given, inner)
    return found


def needed(program: Any) -> str:
    """Digest of a program without what it makes for nothing, such as what a Linen module gives when it is begun."""
    wanted, kept = {*map(id, program.jaxpr.outvars)}, []
    for equation in reversed(program.eqns):
        if wanted & {*map(id, equation.outvars)}:
            kept.append(equation)
            wanted |= {*map(id, equation.invars)}
    takes = [one for one in program.jaxpr.invars if id(one) in wanted]
    consts = [pair for pair in zip(program.jaxpr.constvars, program.consts, strict=True) if id(pair[0]) in wanted]
    made = program.jaxpr.replace(eqns=kept[::-1], invars=takes, constvars=[one for one, _ in consts])
    return digest_of([ClosedJaxpr(made, [const for _, const in consts])])


def gives_probabilities(program: Any, place: int = 0) -> bool:
    """Whether the result in this place is a softmax or a sigmoid, in whatever shape or type."""
    made_by = {id(made): (equation, i) for equation in program.eqns for i, made in enumerate(equation.outvars)}

    def maker(variable: Any) -> tuple[Any, int]:
        """The equation that a variable is from, and its place there; those that copy numbers are passed."""
        found = made_by.get(id(variable))
        while found and found[0].primitive.name in COPIES:
            found = made_by.get(id(found[0].invars[0]))
        return found or (None, 0)

    def made(equation: Any, by: str) -> bool:
        return equation is not None and equation.primitive.name == by

    last, i = maker(getattr(program, "jaxpr", program).outvars[place])
    if last is not None and (inner := _inside(last)):
        return len(inner) == 1 and gives_probabilities(inner[0], i)
    if not made(last, "div"):
        return made(last, "logistic")
    (above, _), (below, _) = map(maker, last.invars)
    return made(above, "exp") and made(below, "reduce_sum") and maker(below.invars[0])[0] is above


COPIES = ("convert_element_type", "reshape", "broadcast_in_dim")
