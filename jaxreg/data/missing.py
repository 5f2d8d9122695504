"""What columns of a table lack: values that are missing, and numbers in whose place a text stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data.dataset import Reading
from jaxreg.data.written_numbers import MOST_KINDS, as_people_write
from jaxreg.errors import UserError
from jaxreg.formatting import brief, count

NUMBERS = 0.9  # share of a column of texts that are numbers, from which on the others stand for missing ones
SHOWN = 3  # texts among numbers that are shown


def lacking(values: pd.Series) -> str:
    """How many values are missing, of how many."""
    return f"{count(int(values.isna().sum()), 'value')} of {len(values):,}"


def refuse(table: pd.DataFrame, features: Sequence[str], name: str, how: Reading) -> None:
    """Raises `UserError` where one of these columns of a table lacks values, or has texts in the place of numbers."""
    for feature in features:
        kinds = (
            f"  If the numbers are names of kinds, put a letter before them: table[{feature!r}] = "
            f"'k' + table[{feature!r}].astype(str). Or leave the column out: {how.typed('drop', feature)}"
        )
        if found := texts_among_numbers(table[feature]):
            if only_numbers(table[feature]):
                raise UserError(
                    f"{name}: column {feature} is of texts or of Python's objects, and all of its values are numbers. "
                    f"Make it one of numbers: {as_floats(feature, 'x' if how.in_arrays else '')}"
                )
            raise UserError(
                f"{name}: column {feature} is of texts, and {found}.\n"
                f"  Make missing values of what is no number, {as_numbers(feature)}, and fill these in, "
                f"{_filled({feature: pd.Series(dtype=float)})}, or leave the rows out, table.dropna().\n{kinds}"
            )
        if written := as_people_write(table[feature]):
            raise UserError(
                f"{name}: column {feature} is of texts that are {written.said}.\n"
                f"  Make it one of numbers: {written.code}\n{kinds}"
            )
    empty = {feature: table[feature] for feature in features if table[feature].isna().any()}
    if not empty:
        return
    said = "; ".join(f"{feature} lacks {lacking(values)}" for feature, values in [*empty.items()][:5])
    raise UserError(
        f"{name}: {count(len(empty), 'column')} with missing values: {said}.\n"
        f"  Fill them in, {_filled(empty)}; leave the rows out, table.dropna(); or leave the columns out: "
        f"{how.typed('drop', *empty)}"
    )


def texts_among_numbers(values: pd.Series) -> str:
    """Of a column of texts that is one of numbers but for a few of them: how many are, and which are not; else ""."""
    if not (types.is_object_dtype(values) or isinstance(values.dtype, pd.StringDtype)):
        return ""
    there = values.notna().to_numpy()
    texts = values[there].astype(str)
    numbers = pd.to_numeric(texts, errors="coerce").notna().to_numpy()
    if not numbers.size or numbers.mean() < NUMBERS or texts[numbers].nunique() <= MOST_KINDS:
        return ""
    others = zip(np.flatnonzero(there)[~numbers], texts[~numbers], strict=True)
    shown = [f"row {row + 1:,} has {brief(text)}" for row, text in [*others][:SHOWN]]
    which = f": {', '.join(shown)}{', …' if numbers.size - numbers.sum() > SHOWN else ''}" if shown else ""
    return f"{numbers.sum():,} of {numbers.size:,} values are numbers{which}"


def only_numbers(values: pd.Series) -> bool:
    """Whether all texts of a column that are there are numbers."""
    return bool(pd.to_numeric(values.dropna().astype(str), errors="coerce").notna().all())


def as_floats(column: str, array: str = "") -> str:
    """What to type for a column of numbers that are there as texts or objects, or for an `array` of this name."""
    return f"{array}.astype(float)" if array else f"table[{column!r}] = table[{column!r}].astype(float)"


def as_numbers(column: str) -> str:
    """What to type for a column of numbers, in which texts are missing values."""
    return f"table[{column!r}] = pandas.to_numeric(table[{column!r}], errors='coerce')"


def _filled(empty: dict[str, pd.Series]) -> str:
    """What to type for a table in which these columns lack nothing."""
    numbers, others, kept = list[str](), list[str](), dict[str, str]()
    for column, values in empty.items():
        number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
        (numbers if number else others).append(column)
        if number and types.is_extension_array_dtype(values):
            kept[column] = "float64"  # whole numbers take no median with a fraction
        elif isinstance(values.dtype, pd.CategoricalDtype | pd.BooleanDtype):
            kept[column] = "object"  # as they are, they take no new kind
    steps = [
        f".astype({kept})" if kept else "",
        ".fillna(table.select_dtypes('number').median())" if numbers else "",
        # By name: before pandas 3, a categorical column that lacks nothing takes no new kind either.
        f".fillna({dict.fromkeys(others, 'none')})" if others else "",
    ]
    return f"table{''.join(steps)}"
