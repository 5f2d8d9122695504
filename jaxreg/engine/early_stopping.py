"""Which weights of a member count: Keras's EarlyStopping, or the mean of the last epochs'.

Decided where the numbers are: no epoch waits for the host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from jaxreg.engine.networks import Weights
from jaxreg.engine.penalties import penalty
from jaxreg.engine.training import EpochLosses, Evaluation, Hyperparameters, Learner, chosen
from jaxreg.spec.rules import EarlyStopping
from jaxreg.spec.settings import Settings

MONITORS = ("loss", "val_loss", "val_accuracy")


class Rule(NamedTuple):
    """When a member ends. Traced: another patience is not another program."""

    epochs: Any  # "" int32, at most
    watches: Any  # "" bool: there is a value to watch
    monitor: Any  # "" int32, place in `MONITORS`
    patience: Any  # "" int32
    min_delta: Any  # ""
    start_from_epoch: Any  # "" int32, from 0
    restores: Any  # "" bool: the best weights come back
    averaged: Any  # "" int32, last epochs the mean of whose weights counts; 1: the last's alone


def rule(epochs: int, stopping: EarlyStopping | None, averaged: int = 1) -> Rule:
    """The rule of a member that trains so many epochs at most."""
    given = stopping or EarlyStopping(monitor="loss")
    return Rule(
        np.int32(epochs),
        np.bool_(stopping is not None and not stopping.watches_nothing),
        np.int32(MONITORS.index(given.monitor)),
        np.int32(given.patience),
        np.float32(given.min_delta),
        np.int32(given.start_from_epoch),
        np.bool_(given.restore_best_weights),
        np.int32(min(averaged, epochs)),
    )


def rule_of(settings: Settings) -> Rule:
    """The rule of members with these settings."""
    return rule(settings.epochs, settings.early_stopping, settings.averaged_epochs)


class Standing(NamedTuple):
    """What has become of a member so far."""

    active: Any  # "" bool: it goes on
    epoch: Any  # "" int32, epochs that it trained
    has_best: Any  # "" bool: there was a best epoch
    best: Any  # "" the best value so far
    waited: Any  # "" int32, epochs since
    kept: Weights  # what counts of it: of the best epoch or the mean of the last, as the rule says, else of the last


class Verdict(NamedTuple):
    """What was decided after an epoch."""

    trained: Any  # "" bool: it took part
    diverged: Any  # "" bool
    stopped: Any  # "" bool: by the rule


def begin(learner: Learner | None, weights: Weights, active: Bool[Array, ""]) -> Standing:
    """Before the first epoch, of somebody who will train or of an empty slot."""
    zero = jnp.zeros([], jnp.int32)
    return Standing(active, zero, jnp.zeros([], bool), jnp.zeros([]), zero, weights)


def after_epoch(
    learner: Learner | None,
    hyper: Hyperparameters,
    rule: Rule,
    standing: Standing,
    weights: Weights,
    losses: EpochLosses,
    tested: Evaluation,
    validated: Evaluation | None,
) -> tuple[Standing, Verdict]:
    """Counts an epoch as `keras.callbacks.EarlyStopping` (Keras 3) does.

    An improvement beats the best value so far by more than ``min_delta``; NaN never does. The first epoch never
    stops, so patience 0 and 1 act alike. Until an epoch was the best, the latest weights count as best. A member with
    a loss that is not finite has diverged and ends, whatever its rule.

    Args:
        learner: makes no difference here.
        hyper, rule: of the member.
        standing: before the epoch; a member that is not active stays as it is.
        weights: after the epoch.
        losses: of the epoch.
        tested: on test examples.
        validated: on validation examples, if it has any.
    """
    trained, index = standing.active, standing.epoch
    finite = jnp.isfinite(losses.loss) & jnp.isfinite(losses.penalty) & jnp.isfinite(tested.error)
    values = [losses.loss + losses.penalty]
    if validated is not None:  # Keras's val_loss has the penalty in
        values += [validated.loss + penalty(hyper, validated.norms), validated.score]
    value = jnp.stack(values)[jnp.minimum(rule.monitor, len(values) - 1)]
    counts = trained & finite & rule.watches & (index >= rule.start_from_epoch)
    higher = rule.monitor == MONITORS.index("val_accuracy")
    better = jnp.where(higher, value - rule.min_delta > standing.best, value + rule.min_delta < standing.best)
    improved = counts & (~standing.has_best | better)
    has_best = standing.has_best | improved
    waited = jnp.where(improved, 0, standing.waited + counts)
    stopped = counts & ~improved & (waited >= rule.patience) & (index > 0)
    epoch = index + trained
    wanted = trained & (~rule.restores | improved | ~has_best)
    new = Standing(
        active=trained & finite & ~stopped & (epoch < rule.epochs),
        epoch=epoch,
        has_best=has_best,
        best=jnp.where(improved, value, standing.best),
        waited=waited,
        kept=_averaged(chosen(None, wanted, weights, standing.kept), standing.kept, weights, rule, trained, epoch),
    )
    return new, Verdict(trained, trained & ~finite, stopped)


def _averaged(kept: Weights, before: Weights, weights: Weights, rule: Rule, trained: Any, epoch: Any) -> Weights:
    """The mean of the weights so far, from the second of the averaged epochs on; before that what is kept anyway.

    The plain mean over the ends of epochs (Polyak and Juditsky 1992; as "stochastic weight averaging" Izmailov et al.
    2018, who make the learning rate cyclic besides), of running statistics too. Counts and flags have no mean: the last
    are kept.
    """
    place = epoch - (rule.epochs - rule.averaged)
    more = trained & (place > 1)

    def mean(kept: Any, before: Any, new: Any) -> Any:
        if not jnp.issubdtype(new.dtype, jnp.floating):
            return jnp.where(more, new, kept)
        step = ((new - before) / jnp.maximum(place, 1)).astype(before.dtype)
        return jnp.where(more, before + step, kept)

    averaged: Weights = jax.tree.map(mean, kept, before, weights)
    return averaged
