"""A sweep's network and optimizer of somebody's own, by the programs that they are: where a sweep has some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxreg.axes import OF_NETWORK, OURS, STRENGTHS
from jaxreg.data.dataset import Signature
from jaxreg.errors import UserError
from jaxreg.formatting import listing
from jaxreg.spec import networks
from jaxreg.spec.rules import OptimizerRule
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Sweep


def with_own(
    sweep: Sweep,
    data: Signature,
    network: Any = None,
    penalised: Callable[[str], bool] | Mapping[str, Callable[[str], bool]] | None = None,
    optimizer: Any = None,
    devices: int | None = None,
) -> tuple[Sweep, dict[str, Any]]:
    """The sweep, with what is of somebody's own in it known by its program; and what run.json says of that.

    Args:
        sweep: whose recipe may name them, as "package.module:name".
        data: what they are for.
        network, penalised: as of `with_network`.
        optimizer: what to take in the place of its name.
        devices: how many to use, which JAX must know before it starts.

    Raises:
        UserError: there is no such thing, it can't be traced, or is another than before; or a penalty acts on nothing.
    """
    about: dict[str, Any] = {}
    if network is not None or networks_of(sweep):
        sweep, about["networks"] = with_network(sweep, data, network, penalised, devices)
        _check_penalties(sweep)
    elif given := [field for settings in _settings(sweep) for field in settings.fields]:
        raise UserError(
            f"{OF_NETWORK}{given[0]}: is a field of a network of your own, and none is given. Give one: network=…, or "
            "--network package.module:name."
        )
    if optimizer is not None or not sweep.recipe.optimizer.ours:
        sweep, about["optimizer"] = _with_optimizer(sweep, data, optimizer, devices)
    return sweep, about


def with_network(
    sweep: Sweep,
    data: Signature,
    network: Any = None,
    penalised: Callable[[str], bool] | Mapping[str, Callable[[str], bool]] | None = None,
    devices: int | None = None,
) -> tuple[Sweep, list[dict[str, Any]]]:
    """The sweep, its networks registered and known by their programs; and what run.json says of each.

    Args:
        sweep: whose recipe, cells and axes may name networks, as "package.module:name" or as those that are given, and
            say which values their fields have.
        data: what they are to take and give.
        network: what to take in the place of its name: one, or several by name.
        penalised: as of `jaxreg.engine.own_networks.register`: for all, or for each by its name.
        devices: how many to use, which JAX must know before it starts.
    """
    from jaxreg.engine import devices as hardware
    from jaxreg.engine import own_networks, registry

    hardware.configure(devices)
    asked = _asked(sweep, network)
    if None in asked:  # it has no name in the sweep, where its settings were checked
        networks.check_unnamed(sweep, str(asked[None][0] or getattr(network, "__name__", type(network).__name__)))
    known: dict[Variant, str] = {}
    about: dict[str, dict[str, Any]] = {}  # by the name of the program
    for settings in _settings(sweep):
        name = settings.network
        if name not in asked and settings.fields:
            raise UserError(f"{OF_NETWORK}{next(iter(settings.fields))}: {OURS} has no such field. Leave it out there.")
        if name not in asked or _variant(settings) in known:
            continue
        text, one = asked[name]
        if one is None:
            own = own_networks.known(str(name))
        else:
            acts = penalised.get(str(name), penalised.get(str(text))) if isinstance(penalised, Mapping) else penalised
            own = own_networks.register(one, data.inputs, data.outputs, text, acts, settings.fields)
        if name and registry.MARK in name and own.name != name:
            raise own_networks.unknown(name)
        known[_variant(settings)] = own.name
        told = {field: value for field, value in settings.fields.items() if field not in own.traced_fields}
        shown = settings.model_copy(update={"network": own.name, "fields": told}).architecture()
        facts = {"parameters": own.size, "penalised": list(own.penalised_paths), "found_at": own.found_at}
        about.setdefault(own.name, {"name": shown} | facts)
    return _renamed(sweep, known), [*about.values()]


def _asked(sweep: Sweep, network: Any) -> dict[str | None, tuple[str | None, Any]]:
    """For each name in a sweep's settings what it is called, and the network; None where it is known by its program."""
    from jaxreg.engine import own_networks
    from jaxreg.engine.registry import MARK

    several = isinstance(network, Mapping)
    given: dict[str | None, Any] = dict(network) if several else {} if network is None else {None: network}
    if given.get(OURS) is not None:
        raise UserError(
            f"network: {OURS} is jaxreg's own, and stands among others as {{{OURS!r}: None}}. Rename yours."
        )
    called: dict[str | None, str | None] = {name: name.partition(MARK)[0] for name in networks_of(sweep)}
    if not several and given and (there := len({*called.values()})) > 1:
        raise UserError(f"network: the sweep has {there}. Give each by its name: network={{name: …}}.")
    if not called:  # what is given is what all of its cells have
        if len(given) != 1:
            raise UserError("network: several are values of an axis, which is not in the grid of this sweep.")
        called = {None: next(iter(given))}
    found: dict[str | None, tuple[str | None, Any]] = {}
    used: set[str | None] = {OURS}
    for name, text in called.items():
        key = next((key for key in (name, text) if key in given), None)
        one = given.get(key)
        if one is None and name and (":" in name or not (several or MARK in name)):
            one = own_networks.named(str(text))
        found[name] = text, one
        used.add(key)
    if strangers := [str(name) for name in given if name not in used]:
        raise UserError(f"network: the sweep has none that is called {', '.join(strangers)}.")
    return found


Variant = tuple[str | None, frozenset[tuple[str, Any]]]
"""A network's name in the settings, and its fields."""


def _variant(settings: Settings) -> Variant:
    return settings.network, frozenset(settings.fields.items())


def _renamed(sweep: Sweep, known: Mapping[Variant, str]) -> Sweep:
    """The sweep with the names of programs in the place of those of networks."""

    def renamed(settings: Settings) -> Settings:
        return settings.model_copy(update={"network": known.get(_variant(settings))})

    first: dict[str | None, str] = {}
    for (name, _), program in known.items():
        first.setdefault(name, program)
    cells = tuple(cell.model_copy(update={"settings": renamed(cell.settings)}) for cell in sweep.cells)
    axes = {axis: [first.get(v, v) for v in vs] if axis == "network" else vs for axis, vs in sweep.axes.items()}
    runs = tuple(
        {key: first.get(value, value) if key == "network" else value for key, value in run.items()} for run in sweep.run
    )
    recipe = renamed(sweep.recipe)
    programs = {one.architecture(): one.network for one in (recipe, *(cell.settings for cell in cells)) if one.fields}
    changed = {"recipe": recipe, "cells": cells, "axes": axes, "run": runs, "programs": programs}
    return sweep.model_copy(update=changed)


def networks_of(sweep: Sweep) -> list[str]:
    """The networks of somebody's own that a sweep names, its recipe's first."""
    return [name for name in dict.fromkeys(one.network for one in _settings(sweep)) if name is not None]


def _settings(sweep: Sweep) -> list[Settings]:
    return [sweep.recipe, *(cell.settings for cell in sweep.cells)]


def _check_penalties(sweep: Sweep) -> None:
    """A strength that acts on no parameter would be judged to be of no use."""
    from jaxreg.engine.own_networks import known

    for cell in sweep.cells:
        settings = cell.settings
        if settings.network is None or (own := known(settings.network)).penalised_paths:
            continue
        acting = [name for name in STRENGTHS if name != "learning_rate" and getattr(settings, name, False)]
        if acting := [*acting, *(["max_norm"] if settings.max_norm else [])]:
            raise UserError(
                f"{listing(acting)}: no parameter of network {own} is penalised; by default every kernel but the last "
                "is. Say which from Python, as in penalised=lambda path: True, or leave that out of the sweep."
            )


def _with_optimizer(sweep: Sweep, data: Signature, optimizer: Any, devices: int | None) -> tuple[Sweep, dict[str, Any]]:
    from jaxreg.engine import devices as hardware
    from jaxreg.engine import own_optimizers
    from jaxreg.engine.own_networks import named
    from jaxreg.engine.registry import MARK

    hardware.configure(devices)
    rule = sweep.recipe.optimizer
    called, _, digest = ("", "", "") if rule.ours else rule.name.partition(MARK)
    if optimizer is None and ":" in called:
        optimizer = named(called, "--optimizer")
    if optimizer is None:
        own = own_optimizers.known(rule.name)
    else:
        own = own_optimizers.register(optimizer, *_tried_on(sweep.recipe, data), called or None)
    if digest and own.name != rule.name:
        raise own_optimizers.unknown(rule.name)
    for cell in sweep.cells:
        if cell.settings.l1_exact:
            raise UserError(f"l1_exact: needs the size of each step, which {own} does not tell. Leave one of them out.")
        if cell.settings.weight_decay and "weight_decay" not in own.uses:
            raise UserError(f"weight_decay: {own} makes no use of it. Have it use hyper.weight_decay, or leave it out.")
    if len({cell.settings.learning_rate for cell in sweep.cells}) > 1 and "learning_rate" not in own.uses:
        raise UserError(f"learning_rate: {own} makes no use of it. Have it use hyper.learning_rate, or leave it out.")
    new = OptimizerRule(name=own.name)

    def known(settings: Settings) -> Settings:
        return settings.model_copy(update={"optimizer": new}) if settings.optimizer == rule else settings

    cells = tuple(cell.model_copy(update={"settings": known(cell.settings)}) for cell in sweep.cells)
    about = {"name": str(own), "uses": list(own.uses)}
    return sweep.model_copy(update={"recipe": known(sweep.recipe), "cells": cells}), about


def _tried_on(recipe: Settings, data: Signature) -> tuple[Any, Any]:
    """Hyperparameters and, as shapes, parameters: of the recipe."""
    import jax
    import numpy as np

    from jaxreg.data.scaling import FIXED
    from jaxreg.engine import grouping, training

    learner = grouping.learner(recipe.model_copy(update={"optimizer": OptimizerRule()}), data, 1)
    hyper = grouping.hyperparameters(recipe, FIXED["unit"], np.zeros(4, np.uint32))
    return hyper, jax.eval_shape(lambda hyper: training.start(learner, hyper).weights.params, hyper)
