"""How cells would compare if probabilities that were cut from below had been cut elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.formatting import known, swapped
from jaxreg.statistics.analysis import Analysis, analyse
from jaxreg.statistics.predictions import ClassPredictions


def recut(
    given: Analysis, members: pd.DataFrame, predictions: ClassPredictions, member_ids: Sequence[str], other: float
) -> dict[str, Any] | None:
    """The cell whose cross-entropy would be the lowest, against the one that has it as given, or the reference.

    Args:
        given: what the predictions say as they are.
        members, predictions, member_ids: as `jaxreg.statistics.analysis.analyse` had them.
        other: the least probability, in the place of the one there is.

    Returns:
        `cell, reference, difference, low, high, p_adjusted, verdict` as comparisons.csv would have them. None: it is
        the reference itself, or nothing is known of the difference.
    """
    if given.candidates is None:
        return None
    log_p, reference = np.asarray(predictions.log_probabilities), given.candidates.reference
    least = np.float32(np.log(other))
    moved = ClassPredictions(np.where(log_p == log_p.min(), least, np.maximum(log_p, least)), predictions.labels)
    then = analyse(members, moved, member_ids, plain=reference)
    before, after = (_lowest(one) for one in (given, then))
    against = reference if after == before else before
    for row in then.comparisons.query("measure == @then.measures.first").to_dict("records"):
        if {row["cell"], row["reference"]} == {after, against} and known(row["low"]):
            turned = swapped(row) if row["cell"] == against else row
            numbers = {key: float(turned[key]) for key in ("difference", "low", "high", "p_adjusted")}
            return {"cell": after, "reference": against, **numbers, "verdict": turned["verdict"]}
    return None


def _lowest(found: Analysis) -> str:
    errors = found.decomposition[found.decomposition["loss"] == found.measures.loss].set_index("cell")["error"]
    return str(errors.idxmin())
