"""Flax modules, Linen or NNX, as a pair of pure functions.

    init(key, x) -> (params, state)
    apply(params, state, x, *, train, key) -> (output, state)

`key` is for dropout, None where it does not train; `state` (running statistics, say) may be empty.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
from flax import nnx

from jaxreg.axes import OF_NETWORK
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing

Init = Callable[..., Any]
Apply = Callable[..., Any]
TRAINS = {"train": True, "training": True, "is_training": True, "deterministic": False, "use_running_average": False}
"""Arguments of a module's call that say whether it trains, and what they are when it does."""
PAIR = "init(key, x) -> (params, state) and apply(params, state, x, *, train, key) -> (output, state); state may be {}"
CALLED: Mapping[str, tuple[Any, Any]] = {"init": ("kx", {}), "apply": ("psx", {"train": False, "key": None})}
"""What each is called with: so many things, and some by name."""
NO_FIELDS = ("self", "rngs", "parent", "name")  # of what makes a module


def functions_of(network: Any) -> tuple[Init, Apply, str]:
    """`init` and `apply` as pure functions, and a name. Raises `UserError` where it is no network."""
    if isinstance(network, type) and issubclass(network, nn.Module):
        network = _made(network)
    if isinstance(network, nn.Module):
        return (*_linen(network), type(network).__name__)
    if isinstance(network, tuple | list) and any(map(_is_module, network)):
        raise UserError('network: several are given by name, as in network={"narrow": …, "wide": …}.')
    if isinstance(network, tuple | list) and len(network) == 2 and all(map(callable, network)):
        name = getattr(network[1], "__module__", "functions").rpartition(".")[2]
        return (*_pair(*network), name)
    if isinstance(network, nnx.Module):
        raise UserError(
            "network: an NNX module that is made already has one set of weights. Give its class, or a function of rngs."
        )
    if callable(network) and "rngs" in _asked_by(network):
        return (*_nnx(network), getattr(network, "__name__", "network"))
    raise UserError(
        "network: must be a Linen module, an NNX module's class or a function of rngs that makes one, or a pair "
        f"(init, apply); got {brief(network)}."
    )


def _is_module(one: Any) -> bool:
    kind = one if isinstance(one, type) else type(one)
    return issubclass(kind, nn.Module | nnx.Module)


def _pair(init: Any, apply: Any) -> tuple[Init, Apply]:
    """Both, once it is known that they can be called as `PAIR` has it; what they give is looked at when they are."""
    if wrong := [name for name, one in (("init", init), ("apply", apply)) if not _takes(one, name)]:
        taken = ", ".join(inspect.signature(init if wrong[0] == "init" else apply).parameters)
        swapped = " Did you swap them?" if _takes(apply, "init") and _takes(init, "apply") else ""
        raise UserError(f"network: {wrong[0]} of a pair takes ({taken}), expected {PAIR}.{swapped}")
    return _giving(init, "init", "(params, state)"), _giving(apply, "apply", "(output, state)")


def _takes(function: Any, name: str) -> bool:
    try:
        inspect.signature(function).bind(*CALLED[name][0], **CALLED[name][1])
    except TypeError:
        return False
    except ValueError:  # of a function that is not written in Python nobody knows
        return True
    return True


def _giving(function: Callable[..., Any], name: str, expected: str) -> Callable[..., Any]:
    """The function, which raises `UserError` where it does not give two things."""

    def called(*arguments: Any, **named: Any) -> Any:
        made = function(*arguments, **named)
        if not isinstance(made, tuple | list) or len(made) != 2:
            got = f"{len(made)} things" if isinstance(made, tuple | list) else "one thing"
            raise UserError(f"network: {name} of a pair gives {got} in the place of {expected}, expected {PAIR}.")
        return made

    return called


def _asked_by(make: Any) -> Mapping[str, inspect.Parameter]:
    """What a class or a function takes; Flax hides that of its classes behind a metaclass."""
    return inspect.signature(make.__init__ if isinstance(make, type) else make).parameters  # type: ignore[misc]


def with_fields(network: Any, fields: Mapping[str, Any]) -> Any:
    """A network as it is with other values of its fields (Linen), or of arguments of what makes it (NNX).

    Raises:
        UserError: it has no such field, or can't be made so.
    """
    if not fields:
        return network
    if isinstance(network, tuple | list):
        raise UserError(
            f"{OF_NETWORK}{next(iter(fields))}: a pair (init, apply) has no fields. Give several pairs by name: "
            "network={name: …}."
        )
    linen = isinstance(network, nn.Module)
    make = type(network) if linen else network
    asked = _asked_by(make)
    named = [one.name for one in asked.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    known = [name for name in named if name not in NO_FIELDS]
    takes_all = any(one.kind is one.VAR_KEYWORD for one in asked.values())
    if strange := [field for field in fields if field not in known and not takes_all]:
        has = f"it has {listing(known)}" if known else "it has none"
        raise UserError(f"{OF_NETWORK}{strange[0]}: {_name(make)} has no field {strange[0]}; {has}.")
    usual = {field: getattr(network, field) if linen else one.default for field, one in asked.items() if field in known}
    given = {field: _like(usual.get(field), value) for field, value in fields.items()}
    if linen:
        return _made(network.clone, make, **given)
    if isinstance(network, type) and issubclass(network, nn.Module):
        return _made(network, **given)

    def made(rngs: Any) -> Any:
        return network(rngs=rngs, **given)

    made.__name__ = _name(network)
    return made


def _like(usual: Any, value: Any) -> Any:
    """A value as the field has them: lists are tuples, which can be hashed, and one number may be a list of one."""
    if isinstance(usual, tuple | list) and type(value) in (int, float):
        value = [value]
    return tuple(value) if isinstance(value, list) else value


def numbers_of(network: Any, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of some fields that a Linen module annotates as `float`."""
    kind = network if isinstance(network, type) else type(network)
    if not issubclass(kind, nn.Module):
        return ()
    floats = {one.name for one in dataclasses.fields(kind) if one.type in (float, "float")}
    return tuple(field for field, value in fields.items() if field in floats and type(value) in (int, float))


def found_at(network: Any) -> str | None:
    """The name under which Python finds a network, or its class: "package.module:name"; None where there is none."""
    made_by = type(network) if isinstance(network, nn.Module) else network
    module, name = getattr(made_by, "__module__", "__main__"), getattr(made_by, "__qualname__", "")
    return f"{module}:{name}" if name.isidentifier() and module != "__main__" else None


def _made(make: Callable[..., Any], called: Any = None, **given: Any) -> Any:
    """A module. Raises `UserError` where it can't be made so."""
    try:
        return make(**given)
    except Exception as error:  # of somebody else's code, which may raise any
        said = [*str(error).splitlines(), type(error).__name__][0]
        name = _name(called or make)
        shown = ", ".join(f"{one}={'…' if one == 'rngs' else value}" for one, value in given.items())
        raise UserError(f"network {name}: can't be made as {name}({shown}): {said}") from None


def _name(make: Any) -> str:
    return str(getattr(make, "__name__", "function"))


def _told(module: Any) -> Callable[[bool], dict[str, bool]]:
    """From whether it trains to the arguments of a module's call that say so."""
    asked = set(inspect.signature(type(module).__call__).parameters)
    return lambda train: {name: value == train for name, value in TRAINS.items() if name in asked}


def _linen(module: nn.Module) -> tuple[Init, Apply]:
    how = _told(module)

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
    first = _made(make, rngs=nnx.Rngs(0))
    how, (graph, _, rest, _) = _told(first), _parts(first)

    def init(key: Any, x: Any) -> Any:
        _, params, _, state = _parts(make(rngs=nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(state)

    def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
        # A copy of the rest: what is merged is written to, under each trace.
        module = nnx.merge(graph, nnx.State(params), jax.tree.map(lambda leaf: leaf, rest), nnx.State(state))
        if not train:
            module.eval()
            return module(x, **how(False)), state
        module.train()
        _reseed(module, key)
        output = module(x, **how(True))
        return output, nnx.to_pure_dict(_parts(module)[3])

    return init, apply


def _reseed(module: Any, key: Any) -> None:
    """Each stream of random numbers in a module anew, with a key of its own: `Rngs(0)` calls all of them "default"."""
    tags = sorted({one.key.tag for _, one in nnx.iter_graph(module) if isinstance(one, nnx.RngStream)})
    keys: Any = {tag: jax.random.fold_in(key, place) for place, tag in enumerate(tags)}
    nnx.reseed(module, policy="match_shape", **keys)


def _parts(module: Any) -> tuple[Any, Any, Any, Any]:
    """Its graph, its parameters, what is no member's own (random streams, intermediates), and its state."""
    found: Any = nnx.split(module, nnx.Param, (nnx.RngState, nnx.Intermediate), ...)
    return found[0], found[1], found[2], found[3]
