"""The 0-1 loss of models that name a class and nothing else, per test example, as `jaxreg.statistics.squared` is.

Bias is the error of the majority vote, ties to the lowest class, and variance what is left of the error, which can be
negative: `jaxreg.statistics.decomposition` has the formula.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from jaxreg.measures import VOTES
from jaxreg.statistics.losses import zero_one
from jaxreg.statistics.sums import Design
from jaxreg.statistics.units import Found, of_one_split, over_deals


def terms(
    answers: Int[np.ndarray, "model example"], labels: Int[np.ndarray, " example"], classes: int, where: Design
) -> Found:
    """Each of `VOTES.terms` per example, and its pseudo-values from leaving one unit out."""
    named = (np.asarray(answers)[where.order][..., None] == np.arange(classes)).astype(np.int32)
    # Votes: how many models of a unit name a class [unit, example, class].
    votes = named if where.units == len(named) else np.add.reduceat(named, where.starts, axis=0)

    def of(units: slice) -> Found:
        return zero_one(where.models[units], votes[units], labels)

    found = over_deals(where.deals, of) if len(where.deals) > 1 else of(slice(None))
    return of_one_split(found, VOTES) if where.splits == 1 else found
