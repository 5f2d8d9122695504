"""Which models belong together, and the sums over them that are all that a loss needs.

A unit is a split or, where there is only one split, a seed. Where the same data were dealt into disjoint splits more
than once, each deal has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from jaxreg.errors import UserError
from jaxreg.statistics.temperature import Temperatures

Kind = Literal["probabilities", "log_probabilities"]


class Design(NamedTuple):
    """Which models belong to which unit; a unit is a split or, where there is only one split, a seed."""

    order: Int[np.ndarray, " model"]  # the models sorted by unit
    starts: Int[np.ndarray, " unit"]  # where each unit begins in that order
    models: Int[np.ndarray, " unit"]  # how many models it has
    splits: int  # the most that any deal has
    seeds: int  # the most seeds that any split has
    deals: tuple[slice, ...]  # the units of each deal

    @property
    def units(self) -> int:
        return len(self.models)


def design(
    split: Sequence[object] | np.ndarray,
    seed: Sequence[object] | np.ndarray,
    deal: Sequence[object] | np.ndarray | None = None,
) -> Design:
    """The design behind the (split, seed) of each model; UserError where a pair occurs twice.

    `deal`, without which there is one, says which splits are disjoint: those of the same deal.
    """
    deal = np.zeros(len(split)) if deal is None else deal
    triples = list(zip(map(str, deal), map(str, split), map(str, seed), strict=True))
    if len(set(triples)) < len(triples):
        twice = next(triple for triple in triples if triples.count(triple) > 1)
        raise UserError(f"two models have split {twice[1]} and seed {twice[2]}: each pair may occur once in a cell")
    deals, splits, seeds = (_codes([triple[i] for triple in triples]) for i in range(3))
    dealt = deals * (splits.max() + 1) + splits
    units = dealt if len(set(dealt)) > 1 else seeds
    order = np.argsort(units, kind="stable")
    _, starts, models = np.unique(units[order], return_index=True, return_counts=True)
    sizes = np.unique(deals[order][starts], return_counts=True)[1]
    ends = np.cumsum(sizes)
    count = int(sizes.max()) if len(set(dealt)) > 1 else 1
    most = int(np.unique(dealt, return_counts=True)[1].max())
    return Design(order, starts, models, count, most, tuple(map(slice, (ends - sizes).tolist(), ends.tolist())))


def _codes(names: Sequence[str]) -> np.ndarray:
    return pd.factorize(np.array(names, dtype=object), sort=True)[0]


class Sums(NamedTuple):
    """All that the losses need of the models, per unit and example, in float64."""

    models: np.ndarray  # [unit] how many models were summed
    p: np.ndarray  # [unit, example, class] sum of p
    squared: np.ndarray  # [unit, example] sum of |p|^2
    log_p: np.ndarray  # [unit, example, class] sum of log p
    votes: np.ndarray  # [unit, example, class] models whose most probable class this is
    scaled_log_p: np.ndarray  # [unit, example, class] sum of log p at each model's temperature
    sway: np.ndarray  # [unit, example, class] sum of its derivatives in the log of the inverse temperature
    influence: np.ndarray  # [unit, example] sum of each example's influence on the models' temperatures


def sums_of(
    outputs: np.ndarray, kind: Kind, where: Design, labels: np.ndarray, temperatures: Temperatures | None = None
) -> Sums:
    """Sums over the models of each unit, of a block of examples [model, example, class] with their labels.

    Without temperatures the models are scored as they are in every loss.
    """
    outputs = np.asarray(outputs[where.order], dtype=np.float64)
    if kind == "probabilities":
        p = outputs
        with np.errstate(divide="ignore"):
            log_p = np.log(p)  # a probability of 0 gives -inf, and an infinite loss where it was the label
    else:
        p, log_p = np.exp(outputs), outputs
    votes = np.zeros(p.shape, dtype=np.int32)
    np.put_along_axis(votes, p.argmax(-1)[..., None], 1, axis=-1)  # argmax takes the lowest of equals
    add = (lambda x: x) if where.units == len(p) else (lambda x: np.add.reduceat(x, where.starts, axis=0))
    log_q, sway, influence = log_p, np.zeros_like(log_p), np.zeros(log_p.shape[:2])
    if temperatures is not None:
        own = temperatures.ordered(where.order)
        (log_q, sway), influence = own.scaled(log_p), own.influence(log_p, labels)
    sums = (add(x) for x in (p, np.square(p).sum(-1), log_p, votes, log_q, sway, influence))
    return Sums(where.models, *sums)


def lse(x: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis; -inf where all are."""
    top = x.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(-1)) + top[..., 0]
