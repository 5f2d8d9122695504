"""Arrays and DataFrames of any shape as a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data.dataset import Dataset, Part, Reading, digest
from jaxreg.data.parting import parted
from jaxreg.data.table import dataset
from jaxreg.data.targets import as_texts, targets_of
from jaxreg.errors import UserError
from jaxreg.formatting import count, listing

TARGET = "target"  # the name of the label beside arrays
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")  # as pandas calls what objects are


def of_arrays(data: Any, how: Reading, name: str | None = None, test: Any = None) -> Dataset:
    """Arrays or DataFrames: (x, y), (x, y, x_test, y_test), ((x, y), (x_test, y_test)), or a table with its label.

    `x` is [row, feature], or [row, *picture] of 8-bit numbers, which stay as they are; all else is standardised. `test`
    is the part that scores, as (x, y) or a table, where `data` is the one that trains. Without a `name` they are called
    what they are: "a DataFrame of 20,000 rows and 50 columns".

    Raises:
        UserError: they do not belong together.
    """
    how = how._replace(in_python=name is None)
    if isinstance(data, pd.DataFrame) or isinstance(test, pd.DataFrame):
        tables = [one for one in (data, test) if one is not None]
        if not all(isinstance(one, pd.DataFrame) for one in tables):
            raise UserError("test: expected a DataFrame beside a DataFrame, or (x, y) beside (x, y).")
        return dataset(data, test, how, name or _called(tables))
    given = [data, test] if test is not None else [*data] if isinstance(data, tuple | list) else []
    if len(given) == 2 and all(isinstance(one, tuple | list) and len(one) == 2 for one in given):
        given = [*given[0], *given[1]]
    if len(given) == 2 and all(isinstance(one, pd.DataFrame) for one in given) and how.label:
        return dataset(given[0], given[1], how, name or _called(given))
    if len(given) not in (2, 4) or (test is not None and len(given) == 2) or not all(map(_has_rows, given)):
        raise UserError("data: expected (x, y), (x, y, x_test, y_test), a DataFrame with label=…, or a path.")
    inputs, targets = given[::2], given[1::2]
    name = name or _called(inputs)
    for x, y in zip(inputs, targets, strict=True):
        if len(x) != len(y) or not len(x):
            raise UserError(f"data: {count(len(x), 'row')} and {count(len(y), 'target')}; expected one for each.")
        if np.ndim(x) == 1 and np.ndim(y) == 2 and np.shape(y)[1] > 1:
            raise UserError(
                f"data: x has one number in each row and y {np.shape(y)[1]}: they look swapped, expected (x, y). If x "
                "is one feature, give x.reshape(-1, 1)."
            )
    if all(getattr(x, "dtype", None) == np.uint8 and x.ndim > 2 for x in inputs):
        return _of_pictures(inputs, targets, how, name)
    names = target_names(targets[0])
    tables = [_framed(x, y, names) for x, y in zip(inputs, targets, strict=True)]
    how = how._replace(label=",".join(names), in_arrays=True)
    return dataset(tables[0], tables[1] if len(tables) > 1 else None, how, name)


def is_table(data: Any) -> bool:
    """Whether inputs come as a DataFrame, by themselves or beside their targets."""
    return isinstance(data, pd.DataFrame) or (isinstance(data, tuple | list) and bool(data) and is_table(data[0]))


def _called(inputs: Sequence[Any]) -> str:
    """What the data are, for people, by their inputs: one part or two."""
    rows = listing([f"{len(x):,}" for x in inputs])
    if isinstance(inputs[0], pd.DataFrame):
        what = "a DataFrame" if len(inputs) == 1 else "DataFrames"
        return f"{what} of {rows} rows and {count(inputs[0].shape[1], 'column')}"
    shape = np.shape(inputs[0])[1:]
    inside = (
        f" and {count(sum(shape) or 1, 'column')}" if len(shape) < 2 else f" of {' × '.join(map(str, shape))} numbers"
    )
    return f"arrays of {rows} rows{inside}"


def target_names(targets: Any) -> list[str]:
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
        x = x.reshape(len(x), -1)
        columns = {place: _plain(one) for place, one in enumerate(x.T)} if x.dtype.kind in "OS" else x
        table = pd.DataFrame(columns, range(len(x))).rename(columns=lambda i: f"x{i}")
    if both := [name for name in names if name in table]:
        raise UserError(f"data: x has a column {both[0]}, which y is called beside it. Give it another name.")
    columns = [y.iloc[:, place] for place in range(len(names))] if isinstance(y, pd.DataFrame) else _columns(y)
    return table.assign(**{name: np.asarray(one) for name, one in zip(names, columns, strict=True)})


def _columns(y: Any) -> list[np.ndarray]:
    return [_plain(one) for one in np.asarray(y).reshape(len(y), -1).T]


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers that are there as Python's objects as such, and bytes as texts; others as they are."""
    if values.dtype == object and types.infer_dtype(values) in NUMBERS:
        return values.astype(np.float64)
    return as_texts(values)


def _has_rows(one: Any) -> bool:
    """Whether it may be an array, as far as its type says."""
    return hasattr(one, "__len__") and not isinstance(one, str | Mapping) and np.ndim(one) > 0


def _of_pictures(inputs: Sequence[Any], targets: Sequence[Any], how: Reading, name: str) -> Dataset:
    how = how._replace(in_arrays=True)
    names = target_names(targets[0])
    train, *tested = (_framed(np.zeros((len(own), 0)), own, names) for own in targets)
    all_of_it = targets_of(train, how, name)
    found = parted(all_of_it, names, tested[0] if tested else None, how, name, words=("part", "examples"))
    flat = [np.ascontiguousarray(np.asarray(x).reshape(len(x), -1)) for x in inputs]
    if found.rows is not None:
        flat = [flat[0][rows] for rows in found.rows]
    shape = np.asarray(inputs[0]).shape[1:]
    picture = shape if len(shape) in (2, 3) else None
    made = [Part(x, y) for x, y in zip(flat, found.targets, strict=True)]
    words = ("images", "pixels") if picture else ("rows", "features")
    about = (*words, found.notes, found.quantities, found.folded, None, all_of_it.labels, found.held_out())
    return Dataset(name, made[0], made[1], all_of_it.classes, picture, digest(*made), None, *about)
