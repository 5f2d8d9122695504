"""A sweep's network and optimizer of somebody's own, by the programs that they are: where a sweep has some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxreg.axes import STRENGTHS
from jaxreg.data.dataset import Signature
from jaxreg.errors import UserError
from jaxreg.formatting import listing
from jaxreg.source import networks_of, with_network
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
        network, penalised: as of `jaxreg.source.with_network`.
        optimizer: what to take in the place of its name.
        devices: how many to use, which JAX must know before it starts.

    Raises:
        UserError: there is no such thing, it can't be traced, or is another than before; or a penalty acts on nothing.
    """
    about: dict[str, Any] = {}
    if network is not None or networks_of(sweep):
        sweep, about["networks"] = with_network(sweep, data, network, penalised, devices)
        _check_penalties(sweep)
    if optimizer is not None or not sweep.recipe.optimizer.ours:
        sweep, about["optimizer"] = _with_optimizer(sweep, data, optimizer, devices)
    return sweep, about


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
    import jax.numpy as jnp
    import numpy as np

    from jaxreg.data.scaling import FIXED
    from jaxreg.engine import grouping

    network = grouping.learner(recipe.model_copy(update={"optimizer": OptimizerRule()}), data, 1).network
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(network.init, key, jnp.zeros((1, *data.inputs))).params
    return grouping.hyperparameters(recipe, FIXED["unit"], np.zeros(4, np.uint32)), params
