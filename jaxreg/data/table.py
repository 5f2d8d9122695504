"""Anybody's table as a data set: which column is what, and how each becomes numbers.

Numbers are standardised, and texts one-hot encoded, by the training part alone, in a cross-validation by each member's
own (`jaxreg.data.scaling.of_features`); what can't be used is named, with what to type. Nothing is dropped, filled or
guessed in silence: `Dataset.notes` says what was done.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxreg.data import missing
from jaxreg.data.columns import encoded, in_order
from jaxreg.data.dataset import Dataset, Part, Reading, digest
from jaxreg.data.encoding import Rows
from jaxreg.data.parting import parted
from jaxreg.data.repeated import among_trained_on
from jaxreg.data.targets import MOST_QUANTITIES, targets_of
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing, nearest

LABELS = ("label", "target", "class", "y")
"""Names of a column that is the label where nothing is said, in capitals too."""


def dataset(train: pd.DataFrame, test: pd.DataFrame | None, how: Reading, name: str) -> Dataset:
    """The table, and another one that scores or else a share of its rows, as arrays.

    Raises:
        UserError: a column is not there, lacks values, or is none that a network can learn from.
    """
    for one in (train, *([] if test is None else [test])):
        if one.empty:
            raise UserError(f"{name}: {'the test table' if one is test else 'the table'} has no rows.")
    train, test = _plain(train, name), None if test is None else _plain(test, f"{name}: the test table")
    labels = _labels(train, how)
    if both := [column for column in how.drop if column in labels]:
        raise UserError(
            f"{name}: column {both[0]} is the label, and {how.typed('drop', both[0])} would leave it out. Take it out "
            f"of these, or predict another: {how.typed('label', 'COLUMN')}"
        )
    for column in (*how.drop, *([how.group] if how.group else [])):
        if column not in train:
            raise UserError(f"{name} has {_none_called(column, train)}")
    targets = targets_of(train[labels], how, name)
    groups = None if how.group is None else pd.factorize(train[how.group])[0]
    if groups is not None and (groups < 0).any():
        raise UserError(f"{name}: column {how.group} lacks a value in some rows, which belong to no group then.")
    features = [c for c in train.columns if c not in (*labels, how.group, *how.drop)]
    if not features:
        raise UserError(f"{name} has no column besides the label, and nothing to learn from.")
    if test is not None and (absent := [c for c in (*labels, *features) if c not in test]):
        out = (
            f", or leave it out: {how.typed('drop', absent[0])}"
            if absent[0] in features
            else ": without it nothing scores"
        )
        raise UserError(
            f"{name}: the test table has no column {brief(absent[0])}, which the table to train on has. Add it{out}"
        )
    missing.refuse(train, features, name, how)
    if test is not None:
        missing.refuse(test, features, f"{name}: the test table", how)
    found = parted(targets, labels, None if test is None else test[labels], how, name, groups)
    held = found.held_out(groups)
    if found.rows is not None:
        parts = Rows(train, found.rows[0]), Rows(train, found.rows[1])
        groups = None if groups is None else groups[found.rows[0]]
    else:
        assert test is not None
        parts = Rows(train), Rows(test)
    arrays, encoding, more = encoded(parts, features, name, found.folded, how)
    made = [Part(x, y) for x, y in zip(arrays, found.targets, strict=True)]
    more += in_order(train, features, how) if test is None else among_trained_on(made[0], made[1], how)
    words = ("rows", "features", (*found.notes, *more), found.quantities, found.folded, encoding, targets.labels, held)
    return Dataset(name, made[0], made[1], targets.classes, None, digest(*made), groups, *words)


def _plain(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """With texts for names, and single precision for half, of which pandas counts no values."""
    table = table if all(isinstance(c, str) for c in table.columns) else table.rename(columns=str)
    if (twice := table.columns.duplicated()).any():
        raise UserError(
            f"{name} has two columns called {brief(table.columns[twice][0])}. Give each a name of its own, or keep the "
            "first of them: table.loc[:, ~table.columns.duplicated()]"
        )
    halves = table.columns[[dtype == np.float16 for dtype in table.dtypes]]
    return table.astype(dict.fromkeys(halves, np.float32)) if len(halves) else table


def _columns(table: pd.DataFrame) -> str:
    names = [str(c) for c in table.columns]  # the label is often the last
    return f"its columns are {', '.join(names if len(names) <= 16 else [*names[:10], '…', *names[-5:]])}"


def _none_called(column: str, table: pd.DataFrame) -> str:
    return f"no column {brief(column)}; {_columns(table)}.{nearest(column, map(str, table.columns))}"


def _labels(table: pd.DataFrame, how: Reading) -> list[str]:
    """The columns to predict: the one that is named, or several with commas between them."""
    if how.label is not None:
        named = [how.label] if how.label in table else [one.strip() for one in how.label.split(",")]
        for one in named:
            if one not in table:
                raise UserError(f"there is {_none_called(one, table)}")
        if len(set(named)) < len(named) or len(named) > MOST_QUANTITIES:
            raise UserError(
                f"{how.typed('label')}: takes different columns, {MOST_QUANTITIES} at most, got {brief(how.label)}."
            )
        return named
    found = [c for c in table.columns if c.lower() in LABELS]
    if len(found) != 1:
        which = f"{listing(found)} may both be" if found else "none is called"
        raise UserError(
            f"which column is to be predicted? {which} {'it' if found else ' or '.join(LABELS)}; {_columns(table)}.\n"
            "  Say it with --label COLUMN, or label=…"
        )
    return found
