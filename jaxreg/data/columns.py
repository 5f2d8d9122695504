"""Columns of a table as numbers that a network can learn from, by what the training part says of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from shlex import quote

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data.encoding import Column, Encoding, Rows
from jaxreg.errors import UserError
from jaxreg.formatting import count, listing

MOST_CATEGORIES = 100  # of a column of texts; more are names or numbers of rows
ID = ("id", "index", "unnamed: 0", "row", "rowid")  # columns that number the rows, in capitals too

TIME = re.compile("year|date|time|month|week|day", re.IGNORECASE)  # in the name of a column


def lacking(values: pd.Series) -> str:
    """How many values are missing, of how many."""
    return f"{count(int(values.isna().sum()), 'value')} of {len(values):,}"


def encoded(
    parts: tuple[Rows, Rows], features: Sequence[str], name: str, folded: bool
) -> tuple[list[np.ndarray], Encoding, list[str]]:
    """Both parts as float32 [row, feature], how other rows become such, and what was done.

    All is decided by the first part. Where the two are one, `folded`, members of a cross-validation see numbers that
    are standardised anew, each by its own rows, and so say the notes.

    Raises:
        UserError: a column lacks values, has infinite ones, numbers the rows, is a time, or has too many texts.
    """
    empty = {}
    for c in features:
        worst = max((part[c] for part in parts), key=lambda values: int(values.isna().sum()))
        if worst.isna().any():
            empty[c] = worst
    if empty:
        said = "; ".join(f"{c} lacks {lacking(values)}" for c, values in [*empty.items()][:5])
        raise UserError(
            f"{name}: {count(len(empty), 'column')} with missing values: {said}.\n"
            f"  Fill them in, {_filled(empty)}; leave the rows out, table.dropna(); or leave the columns out: "
            f"--drop {quote(','.join(empty))}"
        )
    texts = [feature for feature in features if not types.is_numeric_dtype(parts[0][feature])]
    encoding = Encoding(tuple((_texts if c in texts else _numbers)(parts, c, name) for c in features))
    made = [encoding.encode(part) for part in parts]
    notes = []
    first, own, seen = "the training rows", "the training rows", ""
    if folded:
        first, own = "all rows", "the rows that a network is trained on"
        seen = ", of which a network sees those that its rows have"
    if len(texts) < len(features):
        notes.append(f"{count(len(features) - len(texts), 'column')} of numbers, standardised by {own}")
    if texts:
        notes.append(f"{listing(texts)} one-hot, by the values in {first}: {made[0].shape[1]} features in all{seen}")
    return made, encoding, notes


def _filled(empty: dict[str, pd.Series]) -> str:
    """What to type for a table in which these columns lack nothing."""
    numbers = [c for c, values in empty.items() if types.is_numeric_dtype(values)]
    closed = [c for c, values in empty.items() if isinstance(values.dtype, pd.CategoricalDtype)]  # take no new kind
    steps = [
        f".astype({dict.fromkeys(closed, 'object')})" if closed else "",
        ".fillna(table.median(numeric_only=True))" if numbers else "",
        '.fillna("none")' if len(numbers) < len(empty) else "",
    ]
    return f"table{''.join(steps)}"


def in_order(table: pd.DataFrame, features: Sequence[str]) -> list[str]:
    """A note where columns of numbers that may be times rise or fall from row to row: a guess, which refuses nothing.

    Those may be times of which few values repeat, and those that are called so.
    """
    found = []
    for feature in features:
        values = table[feature]
        if not types.is_numeric_dtype(values) or not (values.is_monotonic_increasing or values.is_monotonic_decreasing):
            continue
        if values.nunique() >= max(2, 0 if TIME.search(feature) else len(table) / 2):
            found.append(feature)
    if not found:
        return []
    return [
        f"rows are in the order of {listing(found)}: if that is a time, rows that score may be earlier than those that "
        "were learned from; cut the table by it, and give the later rows as --test"
    ]


def _numbers(parts: tuple[Rows, Rows], feature: str, name: str) -> Column:
    values = [part[feature].to_numpy(np.float64) for part in parts]
    if not all(np.isfinite(one).all() for one in values):
        raise UserError(f"{name}: column {feature} has infinite numbers. Replace them, or type --drop {quote(feature)}")
    if feature.lower() in ID and len(np.unique(values[0])) == len(values[0]) and (values[0] % 1 == 0).all():
        raise UserError(
            f"{name}: column {feature} numbers the rows, which says nothing of others. Type --drop {quote(feature)}"
        )
    mean, spread = float(values[0].mean()), float(values[0].std())
    return Column(feature, mean, spread if spread > 0 else 1.0)


def _texts(parts: tuple[Rows, Rows], feature: str, name: str) -> Column:
    train = parts[0][feature]
    dates = train.astype(str).str.match(r"^\d{4}-\d{2}(-\d{2})?([T ]|$)|^\d{1,2}[./]\d{1,2}[./]\d{2,4}")
    if types.is_datetime64_any_dtype(train) or dates.mean() > 0.9:
        raise UserError(
            f"{name}: column {feature} is a time. Does the order of the rows matter? Then cut the table by time, give "
            f"the later rows as --test, and type --drop {quote(feature)}; if it does not, that alone is enough."
        )
    known = sorted(train.astype(str).unique())
    if len(known) > MOST_CATEGORIES:
        raise UserError(
            f"{name}: column {feature} has {len(known):,} different texts in {len(train):,} rows, more than "
            f"{MOST_CATEGORIES}: names rather than kinds. Type --drop {quote(feature)}"
        )
    return Column(feature, kinds=tuple(known))
