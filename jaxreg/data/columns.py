"""Columns of a table as numbers that a network can learn from, by what the training part says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.errors import UserError
from jaxreg.formatting import count, listing

MOST_CATEGORIES = 100  # of a column of texts; more are names or numbers of rows
ID = ("id", "index", "unnamed: 0", "row", "rowid")  # columns that number the rows, in capitals too


def lacking(values: pd.Series) -> str:
    """How many values are missing, of how many."""
    return f"{count(int(values.isna().sum()), 'value')} of {len(values):,}"


def encoded(
    parts: tuple[pd.DataFrame, pd.DataFrame], features: Sequence[str], name: str
) -> tuple[list[np.ndarray], list[str]]:
    """Both parts as float32 [row, feature], and what was done.

    Raises:
        UserError: a column lacks values, has infinite ones, numbers the rows, is a time, or has too many texts.
    """
    empty = {c: max((part[c] for part in parts), key=lambda s: s.isna().sum()) for c in features}
    empty = {c: values for c, values in empty.items() if values.isna().any()}
    if empty:
        said = "; ".join(f"{c} lacks {lacking(values)}" for c, values in [*empty.items()][:5])
        raise UserError(
            f"{name}: {count(len(empty), 'column')} with missing values: {said}.\n"
            f"  Fill them in, as in table.fillna(table.median()), or leave them out: --drop {','.join(empty)}"
        )
    columns: list[list[np.ndarray]] = [[], []]
    texts = []
    for feature in features:
        train = parts[0][feature]
        if types.is_numeric_dtype(train):
            _one_number(parts, feature, name, columns)
        else:
            texts.append(feature)
            _one_text(parts, feature, name, columns)
    made = [np.column_stack(own).astype(np.float32) for own in columns]
    notes = []
    if len(texts) < len(features):
        notes.append(f"{count(len(features) - len(texts), 'column')} of numbers, standardised by the training rows")
    if texts:
        notes.append(
            f"{listing(texts)} one-hot, by the values in the training rows: {made[0].shape[1]} features in all"
        )
    return made, notes


def _one_number(
    parts: tuple[pd.DataFrame, pd.DataFrame], feature: str, name: str, columns: list[list[np.ndarray]]
) -> None:
    values = [part[feature].to_numpy(np.float64) for part in parts]
    if not all(np.isfinite(one).all() for one in values):
        raise UserError(f"{name}: column {feature} has infinite numbers. Replace them, or type --drop {feature}")
    if feature.lower() in ID and len(np.unique(values[0])) == len(values[0]) and (values[0] % 1 == 0).all():
        raise UserError(
            f"{name}: column {feature} numbers the rows, which says nothing of others. Type --drop {feature}"
        )
    mean, spread = values[0].mean(), values[0].std()
    for own, one in zip(columns, values, strict=True):
        own.append((one - mean) / (spread if spread > 0 else 1.0))


def _one_text(
    parts: tuple[pd.DataFrame, pd.DataFrame], feature: str, name: str, columns: list[list[np.ndarray]]
) -> None:
    train = parts[0][feature]
    dates = train.astype(str).str.match(r"^\d{4}-\d{2}(-\d{2})?([T ]|$)|^\d{1,2}[./]\d{1,2}[./]\d{2,4}")
    if types.is_datetime64_any_dtype(train) or dates.mean() > 0.9:
        raise UserError(
            f"{name}: column {feature} is a time. Does the order of the rows matter? Then cut the table by time, give "
            f"the later rows as --test, and type --drop {feature}; if it does not, --drop {feature} is enough."
        )
    known = sorted(train.astype(str).unique())
    if len(known) > MOST_CATEGORIES:
        raise UserError(
            f"{name}: column {feature} has {len(known):,} different texts in {len(train):,} rows, more than "
            f"{MOST_CATEGORIES}: names rather than kinds. Type --drop {feature}"
        )
    for own, part in zip(columns, parts, strict=True):
        kinds = pd.Series(part[feature].astype(str).to_numpy())
        own.extend(pd.get_dummies(kinds).reindex(columns=known, fill_value=False).to_numpy(np.float64).T)
