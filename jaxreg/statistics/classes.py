"""Error, bias and variance of each class by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxreg.measures import PARTS
from jaxreg.statistics.groups import Group


def table(groups: Sequence[Group], labels: np.ndarray, names: Sequence[str] | None) -> pd.DataFrame:
    """The rows of classes.csv: one for each cell, class and loss; `labels` [example], `names` one a class."""
    rows = []
    for group in groups:
        for cell, terms in zip(group.names, group.terms, strict=True):
            for label in np.unique(labels):
                means = terms[:, labels == label].mean(1, dtype=np.float64)
                name = {} if names is None else {"class_name": names[label]}
                for loss in group.measures.losses:
                    parts = {part: means[group.measures.index[loss, part]] for part in PARTS}
                    rows.append({"cell": cell, "class": label} | name | {"loss": loss} | parts)
    return pd.DataFrame(rows)
