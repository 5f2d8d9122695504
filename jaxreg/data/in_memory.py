"""Arrays and DataFrames of any shape as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.data.dataset import Dataset, Part, Reading, digest
from jaxreg.data.splits import held_out
from jaxreg.data.table import dataset
from jaxreg.data.targets import numbered, quantities, targets_of
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
    names = _names(targets[0])
    tables = [_framed(x, y, names) for x, y in zip(inputs, targets, strict=True)]
    return dataset(tables[0], tables[1] if len(tables) > 1 else None, how._replace(label=",".join(names)), name)


def _names(targets: Any) -> list[str]:
    """What targets are called: as a DataFrame or Series has them, else `TARGET`, numbered where there are several."""
    if isinstance(targets, pd.DataFrame):
        return [str(name) for name in targets.columns]
    several = np.ndim(targets) == 2 and np.shape(targets)[1] > 1
    return [f"{TARGET}{place}" for place in range(np.shape(targets)[1])] if several else [TARGET]


def _framed(x: Any, y: Any, names: Sequence[str]) -> pd.DataFrame:
    if isinstance(x, pd.DataFrame):
        table = x.rename(columns=str).reset_index(drop=True)
    else:
        x = np.asarray(x)
        table = pd.DataFrame(x.reshape(len(x), -1)).rename(columns=lambda i: f"x{i}")
    if both := [name for name in names if name in table]:
        raise UserError(f"data: x has a column {both[0]}, which y is called beside it. Give it another name.")
    columns = [y.iloc[:, place] for place in range(len(names))] if isinstance(y, pd.DataFrame) else _columns(y)
    return table.assign(**{name: np.asarray(one) for name, one in zip(names, columns, strict=True)})


def _columns(y: Any) -> list[np.ndarray]:
    return [*np.asarray(y).reshape(len(y), -1).T]


def _of_pictures(inputs: Sequence[Any], targets: Sequence[Any], how: Reading, name: str) -> Dataset:
    found = targets_of(_framed(np.zeros((len(targets[0]), 0)), targets[0], names := _names(targets[0])), how.task, name)
    flat = [np.ascontiguousarray(np.asarray(x).reshape(len(x), -1)) for x in inputs]
    shape = np.asarray(inputs[0]).shape[1:]
    picture = shape if len(shape) in (2, 3) else None
    notes, about = [found.note], None
    if len(flat) == 1:
        scores = held_out(found.strata, how.holdout, how.seed)
        rest = np.setdiff1d(np.arange(len(found.values)), scores)
        drawn = " by class" if found.classes else ""
        notes.append(f"no test part: {len(scores):,} of {len(found.values):,} examples score, drawn at random{drawn}")
        flat, wanted = [flat[0][rows] for rows in (rest, scores)], [found.values[rows] for rows in (rest, scores)]
    else:
        other = _framed(np.zeros((len(targets[1]), 0)), targets[1], names)
        tested = numbered(other[TARGET], found.classes, TARGET) if found.classes else other.to_numpy(np.float64)
        wanted = [found.values, tested]
    if not found.classes:
        wanted, about = quantities(wanted[0], wanted[1], names)
    parts = [Part(x, y) for x, y in zip(flat, wanted, strict=True)]
    words = ("images", "pixels") if picture else ("rows", "features")
    return Dataset(name, parts[0], parts[1], found.classes, picture, digest(*parts), None, *words, tuple(notes), about)
