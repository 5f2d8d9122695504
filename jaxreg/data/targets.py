"""What is to be predicted, from columns of a table: numbers of classes, or quantities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from jaxreg.data import missing
from jaxreg.data.dataset import Label, Quantities, Reading
from jaxreg.data.splits import LEAST_OF_CLASS
from jaxreg.data.written_numbers import as_people_write
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing

MOST_CLASSES = 1000
MOST_TEXTS = 10  # in a column of classes of which there are not two rows each, in the mean
MOST_WHOLE = 50  # different whole numbers in a column of classes; more are a quantity
MOST_QUANTITIES = 100
TASKS = ("classification", "regression")
LARGEST = 1e18  # of a quantity: its square is still a number of float32


class Targets(NamedTuple):
    """Targets of all rows of a table."""

    values: np.ndarray  # "row" the number of its class; or "row quantity" float64, as they are
    classes: tuple[str, ...]  # none of quantities
    note: str  # what they were taken for
    labels: tuple[Label, ...] = ()  # what stands for each class in the column

    @property
    def strata(self) -> np.ndarray:
        """What every part should have its share of, "row"."""
        return self.values if self.classes else np.zeros(len(self.values), np.uint8)


def targets_of(columns: pd.DataFrame, how: Reading, name: str) -> Targets:
    """Classes or quantities, as `how.task` says, or else as they look.

    Text, booleans and up to `MOST_WHOLE` different whole numbers are classes; other numbers, and several columns, are
    quantities.

    Raises:
        UserError: values are missing, or are not what the task takes.
    """
    task, labels = how.task, [str(column) for column in columns]
    for label in labels:
        if columns[label].isna().any():
            raise UserError(
                f"{name}: column {label}, the label, lacks {missing.lacking(columns[label])}. Leave these rows out, "
                f"table.dropna(subset={[label]}){_filled(columns[label], label, how)}"
            )
        if task != "classification" and (found := missing.texts_among_numbers(columns[label])):
            if missing.only_numbers(columns[label]):
                raise UserError(
                    f"{name}: column {label}, the label, is of texts or of Python's objects, and all of its values are "
                    f"numbers. Make it one of numbers: {missing.as_floats(label, 'y' if how.in_arrays else '')}\n"
                    f"  Or, if they are classes, type {how.typed('task', 'classification')}"
                )
            raise UserError(
                f"{name}: column {label}, the label, is of texts, and {found}.\n"
                f"  Make missing values of what is no number, {missing.as_numbers(label)}, and leave these rows out, "
                f"table.dropna(subset={[label]}). Or, if they are classes, type {how.typed('task', 'classification')}"
            )
        if task != "classification" and (
            written := as_people_write(columns[label], "y" if how.in_arrays and len(labels) == 1 else "")
        ):
            raise UserError(
                f"{name}: column {label}, the label, is of texts that are {written.said}.\n"
                f"  Make it one of numbers: {written.code}\n"
                f"  Or, if they are classes, type {how.typed('task', 'classification')}"
            )
    if task != "regression" and one_hot(columns):
        what, code = ("y", "y.argmax(1)") if how.in_arrays else (listing(labels), f"table[{labels}].idxmax(axis=1)")
        raise UserError(
            f"{name}: {what} looks one-hot, with a single 1 in each row. Give the classes themselves, {code}; or, if "
            f"these are quantities, type {how.typed('task', 'regression')}"
        )
    looks = TASKS[len(labels) > 1 or is_quantity(columns[labels[0]])]
    if (task or looks) == "regression":
        other = (
            f"; {how.typed('task', 'classification')}, if its values are classes"
            if task is None and len(labels) == 1
            else ""
        )
        values = np.column_stack([_numbers(columns[label], label, name, how, len(labels) > 1) for label in labels])
        kind = "a quantity" if len(labels) == 1 else "quantities"
        return Targets(values, (), f"label: {listing(labels)}, {kind}{other}")
    if len(labels) > 1:
        raise UserError(f"{name}: {listing(labels)} can't be classes together. Give one with {how.typed('label')}.")
    values, classes, known = classes_of(columns[labels[0]], labels[0], name, how)
    number = types.is_numeric_dtype(columns[labels[0]]) and not types.is_bool_dtype(columns[labels[0]])
    other = (
        f"; {how.typed('task', 'regression')}, if it is a quantity"
        if task is None and number and len(classes) > 2
        else ""
    )
    note = f"label: column {labels[0]}, {len(classes)} classes{other}{_in_two_cases(classes, labels[0], how)}"
    return Targets(values, classes, note, known)


def _filled(values: pd.Series, label: str, how: Reading) -> str:
    """What to type where rows that lack it may be a class of their own."""
    known = values.dropna()
    if (how.task or TASKS[is_quantity(known)]) == "regression":
        return f", or predict another column: {how.typed('label', 'COLUMN')}"
    own = int(min(known, default=0)) - 1 if types.is_numeric_dtype(values) else "unknown"
    return f", or make them a class of their own, table.fillna({dict([(label, own)])})"


def is_quantity(values: pd.Series) -> bool:
    """Whether a column looks like one: numbers with fractions, or more than `MOST_WHOLE` different whole ones."""
    if not types.is_numeric_dtype(values) or types.is_bool_dtype(values):
        return False
    return values.nunique() > MOST_WHOLE or not bool((values % 1 == 0).all())


def one_hot(targets: Any) -> bool:
    """Whether targets are 0 and 1 alone, several a row of which one is 1: classes, and no quantities."""
    found = np.asarray(targets)
    if found.ndim != 2 or found.shape[1] < 2 or found.dtype.kind not in "biuf":
        return False
    return bool(((found == 0) | (found == 1)).all() and (found.sum(1) == 1).all())


def as_texts(labels: np.ndarray) -> np.ndarray:
    """Labels that are bytes as texts; others as they are."""
    return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels


def _numbers(values: pd.Series, label: str, name: str, how: Reading, several: bool) -> np.ndarray:
    try:
        found = values.to_numpy(np.float64)
    except (TypeError, ValueError):
        why = "several columns are predicted as quantities" if several else "regression takes numbers"
        instead = (
            f"Leave it out, or predict it alone: {how.typed('label', label)}"
            if several
            else f"Leave {how.typed('task')} out."
        )
        raise UserError(
            f"{name}: {why}, and column {label} has texts, as {brief(str(values.iloc[0]))}. {instead}"
        ) from None
    if not (np.abs(found) < LARGEST).all():
        raise UserError(f"{name}: column {label} has numbers of {LARGEST:g} or more. Give it in a larger unit.")
    return found


def quantities(train: np.ndarray, test: np.ndarray, names: Sequence[str]) -> tuple[list[np.ndarray], Quantities]:
    """Both parts' targets [row, quantity] as float32, standardised by the training part; and by what."""
    means, spreads = train.mean(0), train.std(0)
    for name, mean, spread, tested in zip(names, means, spreads, test.std(0), strict=True):
        if not min(spread, tested) > 1e-12 * abs(mean):
            raise UserError(f"column {name} is the same in all rows of a part: there is nothing to predict.")
    made = [((part - means) / spreads).astype(np.float32) for part in (train, test)]
    return made, Quantities(tuple(names), tuple(means.tolist()), tuple(spreads.tolist()))


def classes_of(
    values: pd.Series, label: str, name: str, how: Reading
) -> tuple[np.ndarray, tuple[str, ...], tuple[Label, ...]]:
    """Numbers of classes, their names, sorted, and what stands for each in the column."""
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values) and bool((values % 1 == 0).all()):
        values = values.astype(np.int64)
    several = values.nunique()
    if is_quantity(values) and len(values) < LEAST_OF_CLASS * several:
        raise UserError(
            f"{name}: column {label} looks like a quantity: {several:,} different numbers in {len(values):,} rows. "
            f"Type {how.typed('task', 'regression')}, or leave {how.typed('task')} out."
        )
    if types.infer_dtype(values) == "bytes":
        decode = ".str.decode('utf-8')"
        raise UserError(f"{name}: column {label} has bytes. Make them texts: {_made(label, decode, how)}")
    if not types.is_numeric_dtype(values) and several > max(MOST_TEXTS, len(values) / 2):
        raise UserError(
            f"{name}: column {label} has {several:,} different texts in {len(values):,} rows, as "
            f"{listing([brief(str(value)) for value in values.iloc[:2]])}: a text with many values, and no classes.\n"
            f"  If it is a quantity, make it numbers: table[{label!r}] = pandas.to_numeric(table[{label!r}]"
            f".str.replace('[^0-9.-]', '', regex=True)). Else predict another column: "
            f"{how.typed('label', 'COLUMN')}"
        )
    known = sorted(values.unique())
    if len(known) == 1:
        raise UserError(f"{name}: column {label} is {brief(str(known[0]))} in all rows, and 2 classes are the fewest.")
    if not 2 <= len(known) <= MOST_CLASSES:
        raise UserError(f"{name}: column {label} has {len(known)} classes, expected 2 to {MOST_CLASSES}.")
    names = tuple(str(value) for value in known)
    for one, other in _pairs(names):
        if one != one.strip() or other != other.strip():
            case, lower = ("", "") if one.strip() == other.strip() else (" and in their case", ".str.lower()")
            raise UserError(
                f"{name}: column {label} has the classes {brief(one)} and {brief(other)}, which differ in spaces "
                f"around them{case} alone. Make them one: {_made(label, f'.str.strip(){lower}', how)}"
            )
    if len(set(names)) < len(names):
        raise UserError(f"{name}: column {label} has two classes that are written alike.")
    plain = (value.item() if isinstance(value, np.generic) else value for value in known)
    labels = tuple(value if isinstance(value, bool | int | float | str) else str(value) for value in plain)
    return numbered(values, names, label), names, labels


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Names that are alike but for case and for spaces around them, each with the first that is like it."""
    first: dict[str, str] = {}
    found = [(first.setdefault(name.strip().casefold(), name), name) for name in names]
    return [(one, other) for one, other in found if one != other]


def _in_two_cases(classes: Sequence[str], label: str, how: Reading) -> str:
    """What is noted of classes that differ in case alone: a slip, or the alleles A and a, which are two."""
    pairs = [f"{brief(one)} and {brief(other)}" for one, other in _pairs(classes)]
    more = ", …" if len(pairs) > 3 else ""
    said = f"differ in case alone: if they are one, {_made(label, '.str.lower()', how)}"
    return f"; {', '.join(pairs[:3])}{more} {said}" if pairs else ""


def _made(label: str, by: str, how: Reading) -> str:
    """What to type for labels that are made others by a method of pandas."""
    return f"pandas.Series(y){by}" if how.in_arrays else f"table[{label!r}] = table[{label!r}]{by}"


def numbered(values: pd.Series, classes: Sequence[str], label: str) -> np.ndarray:
    """The number of each value's class. Raises `UserError` at one that is none of them."""
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values) and not values.isna().any():
        values = values.astype(np.int64) if bool((values % 1 == 0).all()) else values
    found = pd.Index(list(classes)).get_indexer(pd.Index(values.astype(str)))  # -1 where it is none of them
    if (found < 0).any():
        strange = values[found < 0].iloc[0]
        raise UserError(f"the test table has {brief(str(strange))} in column {label}, a class that is not trained on.")
    return found.astype(np.uint8 if len(classes) <= 256 else np.int32)
