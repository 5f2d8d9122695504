"""Made-up studies of many cells whose truth is known: the error rates of what is told of them can be counted.

The loss of cell c on test example j, by the model of split s (of one deal) and seed r, is

    split_c A_cs + seed_c B_csr + (image C_cj + model D_csrj) / sqrt(2)

with independent standard normal A, B, C, D; what cells share cancels in differences and is left out. That is the
two-way layout of units and examples of `jaxreg.statistics.intervals` without models, cheap enough for thousands of
studies; `jaxreg.statistics.simulation` has models. Of several deals A is in part what the images of a split do to it,
as there. Only the standard error of a mean over examples matters, not their number: they are fewer here, and vary less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxreg.statistics.comparisons import Difference
from jaxreg.statistics.intervals import TwoWay

EXAMPLES = 100  # made up, whatever their number is
GRAINS = 10  # a split


class Cells(NamedTuple):
    """Standard deviations of the cells, the reference first, in units of the loss."""

    split: Sequence[float]  # between training sets
    seed: Sequence[float]  # between seeds on one training set
    image: float  # between test examples, of the difference of two cells' means over all their models
    model: float  # between test examples, of what is left of the difference of two single models


class Size(NamedTuple):
    """How many of what a study has."""

    splits: int = 5
    seeds: int = 1
    deals: int = 1
    examples: int = 10_000


def losses(
    random: np.random.Generator, cells: Cells, size: Size, images: float = 0.5
) -> Float[np.ndarray, "cell deal split seed example"]:
    """One study in which all cells have the same mean, 0.

    Args:
        random: where the numbers come from.
        cells: how they spread.
        size: of the study.
        images: share of a split's variance that its images decide; the rest is drawn anew in every deal.
    """
    number, (splits, seeds, deals, examples) = len(cells.split), size
    grains = random.standard_normal((number, GRAINS * splits))
    dealt = random.permuted(np.tile(np.arange(GRAINS * splits), (deals, 1)), axis=1).reshape(deals, splits, GRAINS)
    by_split = np.sqrt(1 - images) * random.standard_normal((number, deals, splits))
    by_split += np.sqrt(images / GRAINS) * grains[:, dealt].sum(-1)
    split, seed = (np.array(x)[:, None, None] for x in (cells.split, cells.seed))
    by_seed = random.standard_normal((number, deals, splits, seeds))
    effect = (split * by_split)[..., None] + seed[..., None] * by_seed
    image, model = (x * np.sqrt(EXAMPLES / examples) / np.sqrt(2) for x in (cells.image, cells.model))
    example = image * random.standard_normal((number, 1, 1, 1, EXAMPLES))
    interaction = model * random.standard_normal((*effect.shape, EXAMPLES))
    return effect[..., None] + example + interaction


def layout(losses: Float[np.ndarray, "cell deal split seed example"]) -> TwoWay:
    """The sums from which `jaxreg.statistics.groups` makes comparisons; a series is a cell."""
    number, deals, splits, _, examples = losses.shape
    units = losses.mean(3).reshape(number, deals * splits, examples)
    found = TwoWay(number, 1, deals * splits, [slice(i * splits, (i + 1) * splits) for i in range(deals)])
    found.add(units.mean(1)[:, None], units[:, None])
    return found


def differences(found: TwoWay, cells: Sequence[int] | None = None, reference: int = 0) -> list[Difference]:
    """Every cell minus one of them, paired.

    Args:
        found: of `layout`.
        cells: which ones of the study the series of `found` are, if not all.
        reference: a series.
    """
    number = found.sums.shape[1]
    names = [f"cell {i}" for i in (range(number) if cells is None else cells)]
    others = [i for i in range(number) if i != reference]
    return [Difference(names[i], names[reference], found.difference(i, reference), np.zeros(1)) for i in others]
