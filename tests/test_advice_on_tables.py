"""What is said of a table that can't be used is true, and what it says to type works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.in_memory import of_arrays
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


@pytest.mark.parametrize("kinds", [{"ward": "object"}, {"ward": "category"}, {"smokes": "boolean", "beds": "Int64"}])
@pytest.mark.parametrize("columns", [["age"], ["ward"], ["age", "ward"], ["age", "dose"], ["smokes"], ["beds", "ward"]])
def test_missing_values_are_gone_by_what_is_advised(columns: list[str], kinds: dict[str, str]) -> None:
    frame = table().assign(smokes=np.resize([True, False], ROWS), beds=np.resize([1, 2], ROWS)).astype(kinds)
    if "smokes" in columns and "smokes" not in kinds:
        frame["smokes"] = frame["smokes"].astype(object)  # as a CSV file gives them
    for place, column in enumerate(columns):
        frame.loc[[4 + place, 9], column] = None
    said = refused(frame)
    filled, without = typed(said, frame)
    assert len(made(filled).train.targets) == ROWS and len(made(without).train.targets) == ROWS - 1 - len(columns)
    assert ("median" in said) == (columns not in (["ward"], ["smokes"]))
    assert f"of {ROWS}" in said
    dropped = re.search(r"--drop (\S+)$", said)
    assert dropped is not None and len(made(frame, drop=tuple(dropped[1].split(","))).train.targets) == ROWS


def test_the_recipe_of_the_documents_fills_every_kind_of_column() -> None:
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"`(table\.fillna\(.*?)`", page, re.DOTALL)
    frame = table().assign(smokes=True, left=True, kind=np.resize(["a", "b"], ROWS), bed="x")
    frame = frame.astype({"ward": "category", "smokes": "boolean", "left": "object", "kind": "string"})
    gaps = ["age", "ward", "smokes", "left", "kind", "bed"]
    for row, column in enumerate(gaps):
        frame.loc[row, column] = None
    filled = eval(re.sub(r"\s+", " ", recipe), {"table": frame})
    assert not filled.isna().any(axis=None) and len(made(filled).train.targets) == ROWS
    assert filled["age"].iloc[0] == frame["age"].median() and filled["ward"].iloc[1] == "none"
    assert "missing values" in refused(frame)


@pytest.mark.parametrize("column", ["mean age", "outcome"])
def test_texts_among_numbers_are_gone_by_what_is_advised(column: str) -> None:
    frame = table().rename(columns={"age": "mean age"})
    frame[column] = ["?", *map(str, 0.5 + np.arange(ROWS - 1))]
    coerced, *prefixed = re.findall(r"table\[.*?\] = .*?\)(?=[,.])", refused(frame))
    numbers, kinds = frame.copy(), frame.copy()
    exec(coerced, {"table": numbers, "pandas": pd})
    assert numbers[column].isna().sum() == 1 and numbers[column].dtype == np.float64
    assert len(made(numbers.dropna()).train.targets) > 0
    assert len(prefixed) == (column != "outcome")  # classes are said by the task
    for one in prefixed:
        exec(one, {"table": kinds})
        assert f"{column}=k?" in made(kinds).encoding.features


def test_python_is_told_keywords() -> None:
    frame = table()
    frame.loc[[1, 2], ["age", "dose"]] = None
    with pytest.raises(UserError, match=re.escape('leave the columns out: drop=["age", "dose"]')):
        of_arrays(frame, Reading(label="outcome"))
    with pytest.raises(UserError, match="leave the columns out: --drop age,dose"):
        made(frame)


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


@pytest.mark.parametrize("one", [lambda frame: frame.iloc[0], lambda frame: frame.iloc[0].to_numpy()])
def test_one_row_to_predict_is_a_table_of_one(one: Any) -> None:
    frame = table()[["age", "dose"]]
    encoding = made(frame.assign(outcome=np.resize(["ill", "well"], ROWS))).encoding
    with pytest.raises(UserError, match=r"rows of 2 columns, got 2 values in one line. .*table.iloc\[\[0\]\].*x\[:1\]"):
        encoding.rows(one(frame))
    with pytest.raises(UserError, match="rows have 1 column, expected 2: age, dose"):
        encoding.rows(np.zeros((3, 1)))
    np.testing.assert_array_equal(encoding.rows(frame.iloc[[0]]), encoding.rows(frame.to_numpy()[:1]))


def test_classes_have_their_names_and_their_number() -> None:
    frame = table().assign(outcome=["dead", *["well", "ill"] * 29, "well"])
    assert (
        'class "dead" has 1 row, and needs 2: one to train on and one that scores. There are 3 classes, most often '
        '"well" (30 rows), "ill" (29 rows) and "dead" (1 row)' in refused(frame, folds=False)
    )
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


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("well ", "in spaces around them alone"),
        (" Well", "in spaces around them and in their case alone"),
    ],
)
def test_classes_that_differ_in_spaces_are_refused_and_are_one_by_what_is_advised(label: str, said: str) -> None:
    frame = table()
    frame.loc[[3, 5, 7], "outcome"] = label
    told = refused(frame)
    assert said in told and f'"{label}"' in told and '"well"' in told
    exec(re.findall(r"table\[.*", told)[0], {"table": frame})
    assert made(frame).class_names == ("ill", "well")
    with pytest.raises(UserError, match=r"Make them one: pandas.Series\(y\).str.strip"):
        of_arrays((frame[["age"]].to_numpy(), np.where(frame["age"] > 50, "well", np.resize([label], ROWS))), Reading())


def test_classes_that_differ_in_case_are_noted() -> None:
    """Not refused: the alleles A and a are two classes, and no word of a table says that they are not."""
    frame = table()
    frame.loc[[3, 5, 7], "outcome"] = "Well"
    found = made(frame)
    assert found.class_names == ("Well", "ill", "well") and '"Well" and "well" differ in case alone' in found.notes[0]
    exec(re.findall(r"table\[.*", found.notes[0])[0], {"table": frame})
    assert made(frame).class_names == ("ill", "well") and "case" not in made(frame).notes[0]


@pytest.mark.parametrize("column", ["age", "outcome"])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda value: f"{value:.2f}".replace(".", ","), 'a decimal comma, as "'),
        (lambda value: f"{1000 * value:,.1f}", 'commas between thousands, as "'),
        (lambda value: f"{value:.2f} mm", 'a unit, as "'),
        (lambda value: f"{value:.2f}€/m²".replace(".", ","), 'a decimal comma, as "'),
        (lambda value: f"${value:.2f}", 'a unit, as "$'),
    ],
)
def test_numbers_as_people_write_them_are_numbers_by_what_is_advised(column: str, written: Any, said: str) -> None:
    frame, values = table(), RANDOM.normal(50, 12, ROWS).round(2)
    frame[column] = [*map(written, values)]
    told = refused(frame)
    assert f"column {column}" in told and said in told
    assert ("--drop age" in told) == (column == "age") and ("--task classification" in told) == (column == "outcome")
    code = re.findall(r"table\[.*?\] = .*?regex=True\)\)", told)[0]
    exec(code, {"table": frame, "pandas": pd})
    np.testing.assert_allclose(frame[column] / (1000 if "thousands" in said else 1), values)
    assert made(frame).encoding is not None


@pytest.mark.parametrize("kind", ["A{}", "{}-3", "{},5,1", "{}:30", "{} m, {} cm", "0,{:03}.1", "{} mm|", "{}.000,5"])
def test_other_texts_with_digits_are_kinds(kind: str) -> None:
    frame = table().assign(ward=[kind.format(i % 15, i % 15) for i in range(ROWS)])
    assert len(made(frame).encoding.columns[1].kinds) == 15


def test_a_table_whose_test_rows_were_trained_on_is_noted() -> None:
    frame = table()
    said = "all 9 test rows are among the rows that were trained on"
    assert any(said in note for note in made(frame, test=frame.iloc[4:13]).notes)
    other = frame.iloc[4:13].copy()
    other.iloc[0, 0] += 1e-3
    assert not any("among" in note for note in made(frame, test=other).notes)
    few = frame[["ward", "outcome"]]  # six kinds of rows: new ones are among them too
    assert not any("among" in note for note in made(few, test=few.iloc[:9]).notes)
