"""Anybody's table as a data set: which column is what, and how each becomes numbers.

Numbers are standardised, and texts one-hot encoded, by the training part alone; what can't be used is named, with what
to type. Nothing is dropped, filled or guessed in silence: `Dataset.notes` says what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data.columns import encoded, lacking
from jaxreg.data.dataset import Dataset, Part, Reading, digest
from jaxreg.data.splits import held_out
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing, printable

LABELS = ("label", "target", "class", "y")
"""Names of a column that is the label where nothing is said, in capitals too."""
SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")
MOST_CLASSES = 1000
MOST_WHOLE = 50  # different whole numbers in a label; more are a quantity


def read(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file. Raises `UserError` where it can't be read."""
    try:
        if path.name.endswith((".parquet", ".pq")):
            return pd.read_parquet(path)
        return pd.read_csv(path, low_memory=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist, expected a table as .csv or .parquet.") from None
    except ImportError:
        raise UserError(f"{path}: Parquet needs pyarrow. Type: pip install 'jaxreg[parquet]'") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        said = getattr(error, "strerror", None) or [*str(error).strip().splitlines(), type(error).__name__][0]
        raise UserError(f"{path} can't be read as a table: {printable(str(said)[:200])}.") from None


def dataset(train: pd.DataFrame, test: pd.DataFrame | None, how: Reading, name: str) -> Dataset:
    """The table, and another one that scores or else a share of its rows, as arrays.

    Raises:
        UserError: a column is not there, lacks values, or is none that a network can learn from.
    """
    train, test = (None if one is None else one.rename(columns=str) for one in (train, test))  # type: ignore[assignment]
    label = _label(train, how)
    for column in (*how.drop, *([how.group] if how.group else [])):
        if column not in train:
            raise UserError(f"{name} has no column {brief(column)}; {_columns(train)}.")
    notes = [f"label: column {label}"]
    labels, classes = classes_of(train[label], label, name)
    groups = None if how.group is None else pd.factorize(train[how.group])[0]
    if groups is not None and (groups < 0).any():
        raise UserError(f"{name}: column {how.group} lacks a value in some rows, which belong to no group then.")
    features = [c for c in train.columns if c not in (label, how.group, *how.drop)]
    if not features:
        raise UserError(f"{name} has no column besides the label, and nothing to learn from.")
    if test is None:
        scores = held_out(labels, how.holdout, how.seed, groups)
        rest = np.setdiff1d(np.arange(len(labels)), scores)
        notes.append(
            f"no test table: {len(scores):,} of {len(labels):,} rows score, drawn at random"
            + (" by class" if groups is None else f", whole groups of {how.group}")
        )
        parts, targets = (train.iloc[rest], train.iloc[scores]), (labels[rest], labels[scores])
        groups = None if groups is None else groups[rest]
    else:
        lacking = [c for c in (label, *features) if c not in test]
        if lacking:
            raise UserError(f"the test table has no column {brief(lacking[0])}, which {name} has.")
        parts, targets = (train, test), (labels, numbered(test[label], classes, label))
    if len(missing := np.setdiff1d(np.arange(len(classes)), targets[0])):
        raise UserError(f"{name}: class {brief(classes[missing[0]])} has no row to train on.")
    arrays, more = encoded(parts, features, name)
    made = [Part(x, y) for x, y in zip(arrays, targets, strict=True)]
    return Dataset(
        name, made[0], made[1], classes, None, digest(*made), groups, "rows", "features", tuple([*notes, *more])
    )


def _columns(table: pd.DataFrame) -> str:
    shown = [str(c) for c in table.columns[:12]]
    return f"its columns are {', '.join(shown)}{', …' if len(table.columns) > 12 else ''}"


def _label(table: pd.DataFrame, how: Reading) -> str:
    if how.label is not None:
        if how.label not in table:
            raise UserError(f"there is no column {brief(how.label)}; {_columns(table)}.")
        return how.label
    found = [c for c in table.columns if c.lower() in LABELS]
    if len(found) != 1:
        which = f"{listing(found)} may both be" if found else "none is called"
        raise UserError(
            f"which column is to be predicted? {which} {'it' if found else listing([*LABELS])}; {_columns(table)}.\n"
            "  Say it with --label COLUMN, or label=…"
        )
    return found[0]


def classes_of(values: pd.Series, label: str, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of classes, and their names, sorted."""
    if values.isna().any():
        raise UserError(f"{name}: column {label}, the label, lacks {lacking(values)}. Leave these rows out.")
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        different, whole = values.nunique(), bool((values % 1 == 0).all())
        if not whole or different > MOST_WHOLE:
            kind = "whole numbers" if whole else "numbers"
            raise UserError(
                f"{name}: column {label} has {different:,} different {kind}: a quantity, and only classes can be "
                "predicted so far. Cut it into classes (pandas.qcut), or give another column with --label."
            )
        values = values.astype(np.int64)
    known = sorted(values.unique())
    if not 2 <= len(known) <= MOST_CLASSES:
        raise UserError(f"{name}: column {label} has {len(known)} classes, expected 2 to {MOST_CLASSES}.")
    names = tuple(str(value) for value in known)
    if len(set(names)) < len(names):
        raise UserError(f"{name}: column {label} has two classes that are written alike.")
    return numbered(values, names, label), names


def numbered(values: pd.Series, classes: Sequence[str], label: str) -> np.ndarray:
    """The number of each value's class. Raises `UserError` at one that is none of them."""
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values) and not values.isna().any():
        values = values.astype(np.int64) if bool((values % 1 == 0).all()) else values
    found = pd.Index(list(classes)).get_indexer(pd.Index(values.astype(str)))  # -1 where it is none of them
    if (found < 0).any():
        strange = values[found < 0].iloc[0]
        raise UserError(f"the test table has {brief(str(strange))} in column {label}, a class that is not trained on.")
    return found.astype(np.uint8 if len(classes) <= 256 else np.int32)
