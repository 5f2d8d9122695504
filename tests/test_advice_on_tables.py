"""What is said of a table that can't be used is true, and what it says to type works."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.splits import held_out
from jaxreg.data.table import dataset
from jaxreg.errors import UserError

ROWS = 60
RANDOM = np.random.default_rng(5)


def table() -> pd.DataFrame:
    """Two columns to learn from, and classes, numbers and texts, to be predicted."""
    columns = {"age": RANDOM.normal(50, 12, ROWS), "ward": np.resize(["north", "south", "west"], ROWS)}
    labels = {"kind": np.resize([3, 5], ROWS), "outcome": np.resize(["ill", "well"], ROWS)}
    return pd.DataFrame(columns | labels | {"dose": RANDOM.normal(size=ROWS)})


def made(frame: pd.DataFrame, label: str = "outcome", test: pd.DataFrame | None = None, **how: Any) -> Dataset:
    return dataset(frame, test, Reading(label=label, **how), "patients")


def refused(frame: pd.DataFrame, *given: Any, **how: Any) -> str:
    with pytest.raises(UserError) as error:
        made(frame, *given, **how)
    return str(error.value)


def typed(said: str, frame: pd.DataFrame) -> list[pd.DataFrame]:
    """What becomes of the table by each piece of pandas in a message."""
    pieces = re.findall(r"table(?:\.\w+\((?:[^()]|\([^()]*\))*\))+", said)
    return [eval(piece, {"table": frame}) for piece in pieces]


@pytest.mark.parametrize("kind", ["object", "category"])
@pytest.mark.parametrize("columns", [["age"], ["ward"], ["age", "ward"], ["age", "dose"]])
def test_missing_values_are_gone_by_what_is_advised(columns: list[str], kind: str) -> None:
    frame = table().astype({"ward": kind})
    for place, column in enumerate(columns):
        frame.loc[[4 + place, 9], column] = None
    said = refused(frame)
    filled, without = typed(said, frame)
    assert len(made(filled).train.targets) == ROWS and len(made(without).train.targets) == ROWS - 1 - len(columns)
    assert ("median" in said) == (columns != ["ward"])
    dropped = re.search(r"--drop (\S+)$", said)
    assert dropped is not None and len(made(frame, drop=tuple(dropped[1].split(","))).train.targets) == ROWS


@pytest.mark.parametrize(("label", "classes"), [("outcome", 3), ("kind", 3), ("dose", 0)])
def test_there_are_two_ways_out_of_a_missing_label(label: str, classes: int) -> None:
    frame = table()
    frame.loc[[1, 2, 3], label] = None
    without, *filled = typed(refused(frame, label), frame)
    assert len(made(without, label).train.targets) == ROWS - 3
    assert [len(made(one, label).class_names) for one in filled] == [classes] * bool(classes)
    assert filled or "--label COLUMN" in refused(frame, label)


def test_the_test_table_that_lacks_a_column_is_the_test_table() -> None:
    frame = table()
    said = refused(frame, test=frame.drop(columns="ward"))
    assert 'the test table has no column "ward", which the table to train on has' in said
    assert "ward" not in made(frame, test=frame.drop(columns="ward"), drop=("ward",)).encoding.features
    assert "--drop" not in refused(frame, test=frame.drop(columns="outcome"))


@pytest.mark.parametrize("task", [None, "regression"])
def test_of_several_quantities_the_one_of_texts_is_named(task: str | None) -> None:
    said = refused(table(), "age,outcome", task=task)
    assert "several columns are predicted as quantities, and column outcome has texts" in said and "--task" not in said
    assert made(table(), "outcome").class_names == ("ill", "well")  # as it says: alone


def test_classes_have_their_names_and_their_number() -> None:
    frame = table().assign(outcome=["dead", *["well", "ill"] * 29, "well"])
    assert 'class "dead" has too few rows' in refused(frame, folds=False)
    one = frame.assign(outcome="well")
    assert 'outcome is "well" in all rows' in refused(one) and "1 classes" not in refused(one)
    with pytest.raises(UserError, match="of one group"):
        held_out(np.zeros(9, int), 0.25, 0, np.zeros(9, int))


@pytest.mark.parametrize(
    ("name", "values", "noted"),
    [
        ("seconds", np.sort(RANDOM.normal(size=ROWS)), True),
        ("seconds", np.sort(RANDOM.normal(size=ROWS))[::-1], True),
        ("seconds", RANDOM.normal(size=ROWS), False),
        ("level", np.arange(ROWS) // 10, False),
        ("Year", 2000 + np.arange(ROWS) // 10, True),
        ("year", np.full(ROWS, 2000), False),
        ("year", 2000 + np.arange(ROWS) % 7, False),
    ],
)
def test_rows_in_the_order_of_a_column_are_noted(name: str, values: np.ndarray, noted: bool) -> None:
    frame = table().assign(**{name: values})
    assert any(f"order of {name}: if that is a time" in note for note in made(frame).notes) is noted
    assert not any("in the order" in note for note in made(frame, test=frame).notes)  # it may be cut already
    assert not any("in the order" in note for note in made(frame, drop=(name,)).notes)
