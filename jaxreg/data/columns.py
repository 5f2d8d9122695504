"""Columns of a table as numbers that a network can learn from, by what the training part says of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data.dataset import Reading
from jaxreg.data.encoding import Column, Encoding, Rows, endless
from jaxreg.errors import UserError
from jaxreg.formatting import count, listing

MOST_CATEGORIES = 100  # of a column of texts; more are names or numbers of rows
ID = ("id", "index", "unnamed: 0", "row", "rowid")  # columns that number the rows, in capitals too

TIME = re.compile("year|date|time|month|week|day", re.IGNORECASE)  # in the name of a column


def encoded(
    parts: tuple[Rows, Rows], features: Sequence[str], name: str, folded: bool, how: Reading
) -> tuple[list[np.ndarray], Encoding, list[str]]:
    """Both parts as float32 [row, feature], how other rows become such, and what was done.

    All is decided by the first part. Where the two are one, `folded`, members of a cross-validation see numbers that
    are standardised anew, each by its own rows, and so say the notes.

    Raises:
        UserError: a column has infinite numbers, numbers the rows, is a time, or has too many texts.
    """
    texts = [feature for feature in features if not types.is_numeric_dtype(parts[0][feature])]
    encoding = Encoding(tuple((_texts if c in texts else _numbers)(parts, c, name, how) for c in features))
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


def in_order(table: pd.DataFrame, features: Sequence[str], how: Reading) -> list[str]:
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
        f"were learned from; cut the table by it, and give the later rows as {how.typed('test')}"
    ]


def _numbers(parts: tuple[Rows, Rows], feature: str, name: str, how: Reading) -> Column:
    values = [part[feature].to_numpy(np.float64) for part in parts]
    if said := " and ".join(dict.fromkeys(filter(None, map(endless, values)))):
        raise UserError(f"{name}: column {feature} has {said}. Replace them, or type {how.typed('drop', feature)}")
    if feature.lower() in ID and len(np.unique(values[0])) == len(values[0]) and (values[0] % 1 == 0).all():
        raise UserError(
            f"{name}: column {feature} numbers the rows, which says nothing of others. Type "
            f"{how.typed('drop', feature)}"
        )
    mean, spread = float(values[0].mean()), float(values[0].std())
    return Column(feature, mean, spread if spread > 0 else 1.0)


def _texts(parts: tuple[Rows, Rows], feature: str, name: str, how: Reading) -> Column:
    train = parts[0][feature]
    dates = train.astype(str).str.match(r"^\d{4}-\d{2}(-\d{2})?([T ]|$)|^\d{1,2}[./]\d{1,2}[./]\d{2,4}")
    if types.is_datetime64_any_dtype(train) or dates.mean() > 0.9:
        raise UserError(
            f"{name}: column {feature} is a time. Does the order of the rows matter? Then cut the table by time, give "
            f"the later rows as {how.typed('test')}, and type {how.typed('drop', feature)}; if it does "
            "not, that alone is enough."
        )
    known = sorted(train.astype(str).unique())
    if len(known) > MOST_CATEGORIES:
        which, drop = "names rather than kinds. Type", how.typed("drop", feature)
        if how.group is None and (train.value_counts() > 1).mean() > 0.5:  # without the name they are still alike
            which = (
                f"names rather than kinds, most of which have several rows. Type {how.typed('group', feature)}, so "
                "that no network is scored by rows of whom it has seen others; or, where that does not matter,"
            )
        raise UserError(
            f"{name}: column {feature} has {len(known):,} different texts in {len(train):,} rows, more than "
            f"{MOST_CATEGORIES}: {which} {drop}"
        )
    return Column(feature, kinds=tuple(known))
