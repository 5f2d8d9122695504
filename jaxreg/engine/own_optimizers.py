"""Optimizers of others: a function of the hyperparameters that gives an Optax transformation, learning rate included.

It is traced once, on the parameters at hand, and known by its program like a network: settings name it with the digest
of what JAX makes of its `init` and `update`, so that members of a changed function are other members.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxreg.engine.jaxprs import digest_of, occurs
from jaxreg.engine.networks import Params
from jaxreg.engine.registry import MARK, Registry
from jaxreg.errors import UserError

ASKED = ("learning_rate", "weight_decay")  # which nothing but the optimizer can act by


@dataclass(frozen=True)
class OwnOptimizer:
    """Somebody's optimizer. Two are one where name and digest are."""

    name: str  # with its digest
    uses: tuple[str, ...]  # those of `ASKED` that its steps depend on
    make: Callable[[Any], optax.GradientTransformation] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.name.partition(MARK)[0]


_REGISTRY: Registry[OwnOptimizer] = Registry("optimizer")
known, unknown = _REGISTRY.known, _REGISTRY.unknown


def register(make: Any, hyper: Any, params: Params, called: str | None = None) -> OwnOptimizer:
    """Makes an optimizer known; `known` has it by its name then.

    Args:
        make: from hyperparameters, of which it may use any, to an Optax transformation.
        hyper: such hyperparameters, and
        params: parameters, as shapes or arrays.
        called: its name; that of the function by default.

    Raises:
        UserError: it is no such function, or can't be traced.
    """
    called = called or re.sub(r"\W", "", getattr(make, "__name__", "")) or "optimizer"
    if not callable(make) or isinstance(make, optax.GradientTransformation):
        raise UserError(
            f"optimizer {called}: must be a function of the hyperparameters that gives an Optax transformation, such "
            "as lambda hyper: optax.lion(hyper.learning_rate)."
        )

    def begun(hyper: Any, params: Params) -> Any:
        return make(hyper).init(params)

    def stepped(asked: dict[str, Any], hyper: Any, params: Params, state: Any) -> Any:
        return make(hyper._replace(**asked)).update(params, state, params)  # gradients are shaped like parameters

    asked = {name: getattr(hyper, name) for name in ASKED}
    try:
        first, state = jax.make_jaxpr(begun, return_shape=True)(hyper, params)
        step, (updates, moved) = jax.make_jaxpr(stepped, return_shape=True)(asked, hyper, params, state)
    except jax.errors.ConcretizationTypeError as error:
        said = str(error).splitlines()[0]
        raise UserError(f"optimizer {called}: decides by a value that is only known when it runs ({said}).") from None
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        said = [*str(error).splitlines(), type(error).__name__][0]
        raise UserError(f"optimizer {called} can't be traced: {said}") from None
    for what, one, other in (("updates", updates, params), ("state after a step", moved, state)):
        if _shapes(one) != _shapes(other):
            raise UserError(f"optimizer {called}: its {what} differ in shape or type from what they should be like.")
    given = dict(zip(sorted(asked), step.jaxpr.invars, strict=False))  # the order in which JAX has a dict's entries
    uses = tuple(name for name in ASKED if occurs(step, given[name]))
    digest = digest_of((first, step))
    own = OwnOptimizer(f"{called}{MARK}{digest[:16]}", uses, make)
    return _REGISTRY.add(own)


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (jnp.shape(leaf), str(jnp.result_type(leaf))), tree)
