"""Arrays and DataFrames of any shape as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.data.dataset import Dataset, Part, Reading, digest
from jaxreg.data.splits import held_out
from jaxreg.data.table import classes_of, dataset, numbered
from jaxreg.errors import UserError
from jaxreg.formatting import count

TARGET = "target"  # the name of the label beside arrays


def of_arrays(data: Any, how: Reading, name: str = "arrays") -> Dataset:
    """Arrays or DataFrames: (x, y), (x, y, x_test, y_test), ((x, y), (x_test, y_test)), or a table with its label.

    `x` is [row, feature], or [row, *picture] of 8-bit numbers, which stay as they are.

    Raises:
        UserError: they do not belong together.
    """
    if isinstance(data, pd.DataFrame):
        return dataset(data, None, how, name)
    given = list(data)
    if len(given) == 2 and all(isinstance(one, tuple | list) and len(one) == 2 for one in given):
        given = [*given[0], *given[1]]
    if len(given) == 2 and all(isinstance(one, pd.DataFrame) for one in given) and how.label:
        return dataset(given[0], given[1], how, name)
    if len(given) not in (2, 4):
        raise UserError("data: expected (x, y), (x, y, x_test, y_test), or a DataFrame with label=…")
    inputs, targets = given[::2], given[1::2]
    for x, y in zip(inputs, targets, strict=True):
        if len(x) != len(y) or not len(x):
            raise UserError(f"data: {count(len(x), 'row')} and {count(len(y), 'target')}; expected one for each.")
    if all(getattr(x, "dtype", None) == np.uint8 for x in inputs):
        return _of_pictures(inputs, targets, how, name)
    tables = [_framed(x, y, how) for x, y in zip(inputs, targets, strict=True)]
    return dataset(tables[0], tables[1] if len(tables) > 1 else None, how._replace(label=TARGET), name)


def _framed(x: Any, y: Any, how: Reading) -> pd.DataFrame:
    if isinstance(x, pd.DataFrame):
        table = x.rename(columns=str).reset_index(drop=True)
    else:
        x = np.asarray(x)
        table = pd.DataFrame(x.reshape(len(x), -1)).rename(columns=lambda i: f"x{i}")
    if TARGET in table:
        raise UserError(f"data: x has a column {TARGET}, which y is called beside it. Give it another name.")
    return table.assign(**{TARGET: np.asarray(y).reshape(-1)})


def _of_pictures(inputs: Sequence[Any], targets: Sequence[Any], how: Reading, name: str) -> Dataset:
    labels, classes = classes_of(pd.Series(np.asarray(targets[0]).reshape(-1)), TARGET, name)
    flat = [np.ascontiguousarray(np.asarray(x).reshape(len(x), -1)) for x in inputs]
    shape = np.asarray(inputs[0]).shape[1:]
    picture = shape if len(shape) in (2, 3) else None
    notes = []
    if len(flat) == 1:
        scores = held_out(labels, how.holdout, how.seed)
        rest = np.setdiff1d(np.arange(len(labels)), scores)
        notes.append(f"no test part: {len(scores):,} of {len(labels):,} examples score, drawn at random by class")
        parts = [Part(flat[0][rows], labels[rows]) for rows in (rest, scores)]
    else:
        other = numbered(pd.Series(np.asarray(targets[1]).reshape(-1)), classes, TARGET)
        parts = [Part(flat[0], labels), Part(flat[1], other)]
    words = ("images", "pixels") if picture else ("rows", "features")
    return Dataset(name, parts[0], parts[1], classes, picture, digest(*parts), None, *words, tuple(notes))
