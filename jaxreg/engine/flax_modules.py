"""Flax modules, Linen or NNX, as a pair of pure functions.

    init(key, x) -> (params, state)
    apply(params, state, x, *, train, key) -> (output, state)

`key` is for dropout, None where it does not train; `state` (running statistics, say) may be empty.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from flax import nnx

from jaxreg.errors import UserError
from jaxreg.formatting import brief

Init = Callable[..., Any]
Apply = Callable[..., Any]
TRAINS = {"train": True, "training": True, "is_training": True, "deterministic": False, "use_running_average": False}
"""Arguments of a module's call that say whether it trains, and what they are when it does."""


def functions_of(network: Any) -> tuple[Init, Apply, str]:
    """`init` and `apply` as pure functions, and a name. Raises `UserError` where it is no network."""
    if isinstance(network, nn.Module):
        return (*_linen(network), type(network).__name__)
    if isinstance(network, type) and issubclass(network, nn.Module):
        return (*_linen(_made(network)), network.__name__)
    if isinstance(network, tuple | list) and len(network) == 2 and all(map(callable, network)):
        name = getattr(network[1], "__module__", "functions").rpartition(".")[2]
        return network[0], network[1], name
    if isinstance(network, nnx.Module):
        raise UserError(
            "network: an NNX module that is made already has one set of weights. Give its class, or a function of rngs."
        )
    made_by = network.__init__ if isinstance(network, type) else network  # type: ignore[misc]
    if callable(network) and "rngs" in inspect.signature(made_by).parameters:
        return (*_nnx(network), getattr(network, "__name__", "network"))
    raise UserError(
        "network: must be a Linen module, an NNX module's class or a function of rngs that makes one, or a pair "
        f"(init, apply); got {brief(network)}."
    )


def found_at(network: Any) -> str | None:
    """The name under which Python finds a network, or its class: "package.module:name"; None where there is none."""
    made_by = type(network) if isinstance(network, nn.Module) else network
    module, name = getattr(made_by, "__module__", "__main__"), getattr(made_by, "__qualname__", "")
    return f"{module}:{name}" if name.isidentifier() and module != "__main__" else None


def _made(make: Callable[..., Any], **given: Any) -> Any:
    """A module. Raises `UserError` where it can't be made so."""
    try:
        return make(**given)
    except Exception as error:  # of somebody else's code, which may raise any
        said = [*str(error).splitlines(), type(error).__name__][0]
        name = getattr(make, "__name__", "function")
        raise UserError(f"network {name}: can't be made as {name}({'rngs=…' if given else ''}): {said}") from None


def _linen(module: nn.Module) -> tuple[Init, Apply]:
    asked = set(inspect.signature(type(module).__call__).parameters)

    def how(train: bool) -> dict[str, bool]:
        return {name: value == train for name, value in TRAINS.items() if name in asked}

    def init(key: Any, x: Any) -> Any:
        own: Any = how(False)
        variables = dict(module.init({"params": key, "dropout": key}, x, **own))
        return variables.pop("params", {}), variables

    def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
        variables: Any = {"params": params, **state}
        own: Any = how(train)
        if not train:
            return module.apply(variables, x, **own), state
        output, moved = module.apply(variables, x, **own, rngs={"dropout": key}, mutable=list(state))
        return output, dict(moved)

    return init, apply


def _nnx(make: Callable[..., Any]) -> tuple[Init, Apply]:
    graph, _, _, rest = _parts(_made(make, rngs=nnx.Rngs(0)))

    def init(key: Any, x: Any) -> Any:
        _, params, state, _ = _parts(make(rngs=nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(state)

    def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
        # A copy of the rest: what is merged is written to, under each trace.
        module = nnx.merge(graph, nnx.State(params), nnx.State(state), jax.tree.map(lambda leaf: leaf, rest))
        if train:
            module.train()
            nnx.reseed(module, dropout=key)
        else:
            module.eval()
        output = module(x)
        return output, nnx.to_pure_dict(_parts(module)[2])

    return init, apply


def _parts(module: Any) -> tuple[Any, Any, Any, Any]:
    """Its graph, its parameters, its running statistics, and the rest."""
    found: Any = nnx.split(module, nnx.Param, nnx.BatchStat, ...)
    return found[0], found[1], found[2], found[3]
