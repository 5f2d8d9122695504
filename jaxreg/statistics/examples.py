"""The test examples that a report shows: those on which models disagree most, and those on which they agree wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxreg.measures import CLASSES
from jaxreg.statistics.groups import Group
from jaxreg.statistics.predictions import ClassPredictions

SHOWN = 12  # test examples of each kind and cell


def examples(
    groups: Sequence[Group],
    cells: Sequence[str],
    predictions: ClassPredictions,
    inputs: np.ndarray | None,
    picture: tuple[int, ...] | None,
) -> dict[str, np.ndarray]:
    """The test examples with the highest Brier variance and bias in the plain and in the best cell."""
    columns: dict[str, list[np.ndarray]] = {}
    for name in cells:
        group = next(g for g in groups if name in g.names)
        cell = group.cells[group.names.index(name)]
        for kind in ("variance", "bias"):
            values = group.terms[group.names.index(name), CLASSES.index["brier", kind]]
            if np.isnan(values).any():
                continue
            top = np.argsort(-values, kind="stable")[:SHOWN]
            usual = [int(np.bincount(predictions.votes(cell, int(example))).argmax()) for example in top]
            row = {
                "example": top,
                "label": predictions.labels[top],
                "predicted": np.array(usual),
                "cell": np.full(len(top), name),
                "kind": np.full(len(top), kind),
                "value": values[top],
            }
            if inputs is not None and picture is not None:
                row["pixels"] = np.asarray(inputs)[top].reshape(-1, *picture)
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
    return {key: np.concatenate(values) for key, values in columns.items()}
