"""How the columns of a table become features: numbers standardised, texts one-hot, by what the training part says."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool
from pandas.api import types

from jaxreg.errors import UserError
from jaxreg.formatting import count

LARGEST = float(np.finfo(np.float32).max)
"""Of numbers: larger ones are infinite in float32, and the spread of much larger ones is in float64."""


class Column(NamedTuple):
    """A column of numbers, which is one feature, or of texts, which is one for each of its `kinds`."""

    name: str
    mean: float = 0.0
    spread: float = 1.0  # what the difference is divided by: the standard deviation, or 1 where that is 0
    kinds: tuple[str, ...] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what it becomes."""
        return (self.name,) if self.kinds is None else tuple(f"{self.name}={kind}" for kind in self.kinds)


def endless(values: np.ndarray) -> str:
    """What is said of numbers that are infinite, or would be in float32; nothing where there are none."""
    if (np.abs(values) <= LARGEST).all():
        return ""
    return "infinite numbers" if np.isinf(values).any() else f"numbers beyond {LARGEST:.2g}, the largest of float32"


class Rows:
    """Some rows of a table, or all, taken a column at a time: a large table is not copied for them."""

    def __init__(self, table: pd.DataFrame, rows: np.ndarray | None = None) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._table) if self._rows is None else len(self._rows)

    def __getitem__(self, column: str) -> pd.Series:
        return self._table[column] if self._rows is None else self._table[column].iloc[self._rows]


class Encoding(NamedTuple):
    """Of all columns that are learned from, in their order."""

    columns: tuple[Column, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def numbers(self) -> Bool[np.ndarray, " feature"]:
        """Which features are numbers, and not kinds of a text."""
        return np.array([column.kinds is None for column in self.columns for _ in column.features])

    def encode(self, table: pd.DataFrame | Rows) -> np.ndarray:
        """float32 [row, feature]. A text that is none of the kinds is none of them; numbers are taken to be there."""
        made = np.empty((len(table), len(self.features)), np.float32)
        place = 0
        for column in self.columns:
            if column.kinds is None:
                made[:, place] = (table[column.name].to_numpy(np.float64) - column.mean) / column.spread
            else:
                found = pd.Index(column.kinds).get_indexer(pd.Index(table[column.name].astype(str)))
                made[:, place : place + len(column.kinds)] = found[:, None] == np.arange(len(column.kinds))
            place += len(column.features)
        return made

    def rows(self, given: Any) -> np.ndarray:
        """The features of rows as people have them: a DataFrame with these columns, or an array of them in order.

        Raises:
            UserError: a column is not there, lacks values, or is of texts where it was of numbers.
        """
        names = [column.name for column in self.columns]
        if isinstance(given, pd.DataFrame):
            table = given.rename(columns=str)
            if lacking := [name for name in names if name not in table]:
                raise UserError(f"the rows have no column {lacking[0]}, which the network learned from.")
        else:
            array = np.asarray(given)
            if array.ndim < 2 and len(names) > 1:
                raise UserError(
                    f"expected rows of {len(names)} columns, got {count(array.size, 'value')} in one line. One row of "
                    "a table is table.iloc[[0]], and of an array x[:1]."
                )
            array = array.reshape(len(array), int(np.prod(array.shape[1:])))
            if array.shape[1] != len(names):
                shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
                raise UserError(f"rows have {count(array.shape[1], 'column')}, expected {len(names)}: {shown}.")
            table = pd.DataFrame(array, columns=names)
        numbers = {}
        for column in self.columns:
            values = table[column.name]
            if values.isna().any():
                raise UserError(f"{column.name} lacks {count(int(values.isna().sum()), 'value')}. Fill them in first.")
            if column.kinds is None:
                if not types.is_numeric_dtype(values):
                    try:
                        values = values.astype(np.float64)
                    except (ValueError, TypeError):
                        raise UserError(f"{column.name} has texts, and it was of numbers in training.") from None
                if said := endless(values.to_numpy(np.float64)):
                    raise UserError(f"{column.name} has {said}. Replace them first.")
            numbers[column.name] = values
        return self.encode(pd.DataFrame(numbers))
