"""How far each cell's probabilities are from shares, and what one temperature changes in their cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxreg.measures import CLASSES
from jaxreg.statistics import calibration
from jaxreg.statistics.groups import Group
from jaxreg.statistics.predictions import ClassPredictions

TERMS = [CLASSES.index[loss, "error"] for loss in ("scaled_cross_entropy", "cross_entropy")]


def tables(groups: Sequence[Group], predictions: ClassPredictions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of calibration.csv, one for each cell, and of reliability.csv, one for each of its bins.

    `scaling` is what one temperature a model changes in cross-entropy, paired, with `scaling_low` and `scaling_high`.
    """
    errors, diagrams = [], []
    for group in groups:
        for cell, layout in zip(group.cells, group.by_measure, strict=True):
            where = group.design
            scaling = layout.difference(*TERMS)
            found = calibration.measure(predictions.confidences(cell, where), predictions.examples, where.deals)
            low, high = found.error.interval()
            errors.append(
                {
                    "cell": cell.name,
                    "expected_calibration_error": found.error.value[0],
                    "low": max(low, 0.0),
                    "high": high,
                    "chance": found.chance,
                    "scaling": scaling.value[0],
                    **dict(zip(("scaling_low", "scaling_high"), scaling.interval(), strict=True)),
                    "temperature": float(np.exp(-np.log(predictions.temperatures(cell).inverse).mean())),
                }
            )
            diagrams += [{"cell": cell.name} | row for row in found.reliability]
    return pd.DataFrame(errors), pd.DataFrame(diagrams)
