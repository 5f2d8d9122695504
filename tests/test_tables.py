"""Anybody's table: which column is what, what becomes of it, and what is said of one that can't be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxreg
from jaxreg.axes import AXES
from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.data.load import load
from jaxreg.data.splits import held_out, split_rows
from jaxreg.data.table import dataset
from jaxreg.data.table_files import read
from jaxreg.errors import UserError
from jaxreg.source import STEPS, suited_to
from jaxreg.store.results import read as read_run
from jaxreg.sweep import main

RANDOM = np.random.default_rng(3)
ROWS = 240
PARTS = Reading(folds=False)


def table(rows: int = ROWS) -> pd.DataFrame:
    """Patients: two numbers in odd units, a kind, a switch, who, and what became of them."""
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(rows // 4), 4)
    age, dose = random.normal(50, 12, rows), random.normal(3e6, 1e6, rows)
    ward = random.choice(["north", "south", "west"], rows)
    z = (age - 50) / 12 + (dose - 3e6) / 1e6 + (ward == "west") + random.normal(size=rows)
    outcome = np.where(z > 0.5, "well", np.where(z < -1, "ill", "so-so"))
    return pd.DataFrame(
        {"age": age, "dose": dose, "ward": ward, "smokes": random.random(rows) < 0.3, "who": who, "outcome": outcome}
    )


def made(frame: pd.DataFrame, test: pd.DataFrame | None = None, **how: Any) -> Dataset:
    return dataset(frame, test, Reading(**{"label": "outcome", "folds": False, **how}), "patients")


def test_numbers_are_standardised_and_texts_one_hot_by_the_training_rows() -> None:
    frame = table()
    found = made(frame.iloc[:180], frame.iloc[180:])
    assert found.train.inputs.shape == (180, 7) and found.train.inputs.dtype == np.float32
    age, dose, *wards, smokes, _ = found.train.inputs.T
    train, test = frame.iloc[:180], frame.iloc[180:]
    for column, values in (("age", age), ("dose", dose), ("smokes", smokes)):
        own = train[column].to_numpy(float)
        np.testing.assert_allclose(values, (own - own.mean()) / own.std(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.test.inputs[:, 1], (test["dose"] - train["dose"].mean()) / train["dose"].std(ddof=0), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(np.argmax(wards, axis=0), pd.Categorical(train["ward"]).codes)
    assert found.class_names == ("ill", "so-so", "well")
    assert [found.class_names[i] for i in found.test.targets] == list(test["outcome"])
    assert found.picture is None and (found.examples_are, found.inputs_are) == ("rows", "features")
    assert any("ward one-hot" in note and "7 features" in note for note in found.notes)


def test_parity_with_scikit_learn() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = table().drop(columns="who")
    train, test = frame.iloc[:150].copy(), frame.iloc[150:].copy()
    test.iloc[0, test.columns.get_loc("ward")] = "east"  # not seen in training: none of the known ones
    numbers = ["age", "dose", "smokes"]
    coder = ColumnTransformer(
        [("n", StandardScaler(), numbers), ("c", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["ward"])]
    )
    x, y = train.drop(columns="outcome"), test.drop(columns="outcome")
    expected = [coder.fit_transform(x.astype({"smokes": float})), coder.transform(y.astype({"smokes": float}))]
    found = made(train, test)
    order = [0, 1, 5, 2, 3, 4]  # ours are in the order of the columns
    for mine, theirs in zip((found.train, found.test), expected, strict=True):
        np.testing.assert_allclose(mine.inputs[:, order], theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([True, False], ("False", "True")),
        ([1, 2, 7], ("1", "2", "7")),
        ([1.0, 3.0], ("1", "3")),
        (["b", "a", "10"], ("10", "a", "b")),
        (pd.Categorical(["x", "y"], categories=["z", "y", "x"]), ("x", "y")),
    ],
)
def test_labels_of_any_type_are_classes(values: Any, classes: tuple[str, ...]) -> None:
    labels = pd.Series(np.resize(np.asarray(values), 40))
    found = dataset(pd.DataFrame({"x": np.arange(40.0), "label": labels}), None, PARTS, "t")
    assert found.class_names == classes
    both = np.concatenate([found.train.targets, found.test.targets])
    assert sorted(both) == sorted(classes.index(str(v if not isinstance(v, float) else int(v))) for v in labels)


def broken(change: Any) -> pd.DataFrame:
    frame = table()
    change(frame)
    return frame


@pytest.mark.parametrize(
    ("change", "how", "said"),
    [
        (lambda f: f.insert(0, "x", np.where(f.age > 60, np.nan, 1)), {}, r"x lacks \d+ values of 240.*--drop x"),
        (lambda f: f.insert(0, "x", [None, *"ab" * 119, "a"]), {}, "1 column with missing values: x lacks 1 value of"),
        (
            lambda f: f.insert(0, "x", ["1.5", *map(str, range(ROWS - 3)), "?", "-"]),
            {},
            'x is of texts, and 238 of 240 values are numbers: row 239 has "[?]", row 240 has "-"[.].*--drop x',
        ),
        (
            lambda f: f.insert(0, "x", pd.Series(np.arange(ROWS) / 3, dtype=object)),
            {},
            r"all of its values are numbers[.].*table\['x'\][.]astype\(float\)",
        ),
        (
            lambda f: f.__setitem__("outcome", ["?", *map(str, range(ROWS - 1))]),
            {},
            r"the label, is of texts, and 239 of 240 .*row 1 has .*dropna\(subset=\['outcome'\]\).*--task class",
        ),
        (
            lambda f: f.__setitem__("outcome", [f"${i},000.00" for i in range(ROWS)]),
            {},
            r'240 different texts in 240 rows, as "\$0,000.00" and .*pandas.to_numeric.*--label COLUMN',
        ),
        (
            lambda f: f.loc.__setitem__((3, "outcome"), "weell"),
            {},
            r'class "weell" has 1 row, and needs 2: .*mean `well`.*most often "\S+" \(\d+ rows\)',
        ),
        (lambda f: f.insert(0, "x", np.inf), {}, "column x has infinite numbers"),
        (lambda f: f.insert(0, "x", f.age * 1e300), {}, r"column x has numbers beyond 3.4e[+]38, .*--drop x"),
        (lambda f: f.insert(5, "age", f.dose, allow_duplicates=True), {}, 'has two columns called "age"[.]'),
        (
            lambda f: f.insert(5, 1, 0),
            {"drop": ("outcome",)},
            "outcome is the label, and --drop outcome would",
        ),
        (
            lambda f: f.__setitem__("outcome", f.outcome.str.encode("utf-8")),
            {},
            r"column outcome has bytes.*table\['outcome'\] = table\['outcome'\].str.decode",
        ),
        (
            lambda f: f.__setitem__("outcome", [599, *(500 + np.arange(ROWS - 1) % 60)]),
            {"task": "classification"},
            r"class \"\d+\" has 1 row, and needs 2: one to train on and one that scores[.] There are",  # and no "mean"
        ),
        (
            lambda f: f.__setitem__("outcome", f.age),
            {"task": "classification"},
            "outcome looks like a quantity: 240 different numbers in 240 rows. Type --task regression, or leave --task",
        ),
        (
            lambda f: f.insert(0, "name", [f"n{i // 2}" for i in range(ROWS)]),
            {"folds": True},
            "most of which have several rows. Type --group name, .* matter, --drop name",
        ),
        (
            lambda f: f.insert(0, "name", [f"n{i // 2}" for i in range(ROWS)]),
            {"folds": True, "group": "who"},
            "names rather than kinds. Type --drop name",
        ),
        (lambda f: f.insert(0, "id", np.arange(ROWS)), {}, "column id numbers the rows.*--drop id"),
        (lambda f: f.insert(0, "when", pd.date_range("2024-01-01", periods=ROWS)), {}, "column when is a time.*--test"),
        (lambda f: f.insert(0, "when", [f"2024-01-{1 + i % 28:02}" for i in range(ROWS)]), {}, "column when is a time"),
        (
            lambda f: f.insert(0, "name", [f"n{i}" for i in range(ROWS)]),
            {},
            "180 different texts.*--drop name",
        ),
        (lambda f: f.__setitem__("outcome", "a" + f.age.astype(str)), {"task": "regression"}, "takes numbers"),
        (lambda f: f.__setitem__("outcome", "well"), {}, 'column outcome is "well" in all rows, and 2'),
        (lambda f: f.loc.__setitem__((3, "outcome"), None), {}, "the label, lacks 1 value of 240"),
        (lambda f: f.loc.__setitem__((3, "who"), None), {"group": "who"}, "column who lacks a value"),
        (lambda f: None, {"drop": ("wards",)}, "patients has no column .wards.; its columns are age, dose"),
        (lambda f: None, {"group": "wards"}, "patients has no column .wards..*Did you mean .ward.?"),
        (lambda f: None, {"drop": ("age", "dose", "ward", "smokes", "who")}, "nothing to learn from"),
        (lambda f: f.loc.__setitem__((3, "outcome"), "dead"), {}, 'class "dead" has 1 row, and needs 2.*4 classes'),
        (
            lambda f: f.loc.__setitem__((3, "outcome"), "dead"),
            {"folds": True},
            "class .dead. has 1 row, and a study needs 3 of each[.].*Leave its rows out, or join it with another class",
        ),
    ],
)
def test_what_can_not_be_used_is_named_with_what_to_type(change: Any, how: dict, said: str) -> None:
    with pytest.raises(UserError, match=f"(?s){said}"):
        made(broken(change), **how)


def test_the_label_is_said_or_called_like_one() -> None:
    frame = table().drop(columns="who")
    assert dataset(frame.rename(columns={"outcome": "Class"}), None, Reading(), "t").class_names[0] == "ill"
    wide = pd.DataFrame({f"x{i}": [0.0] for i in range(20)} | {"cultivar": ["Barolo"]})
    with pytest.raises(UserError, match="x9, …, x16, x17, x18, x19, cultivar"):
        dataset(wide, None, Reading(), "wine")
    with pytest.raises(UserError, match="which column .* none is called label or target or class or y"):
        dataset(frame, None, Reading(), "t")
    with pytest.raises(UserError, match="y and label may both be it"):
        dataset(frame.assign(y=1, label=2), None, Reading(), "t")
    with pytest.raises(UserError, match="there is no column .result."):
        dataset(frame, None, Reading(label="result"), "t")


def test_the_test_table_fits_or_is_refused() -> None:
    frame = table()
    with pytest.raises(UserError, match="patients: the test table has no column .ward., .*--drop ward"):
        made(frame.iloc[:200], frame.iloc[200:].drop(columns="ward"))
    other = frame.iloc[200:].copy()
    other.iloc[0, other.columns.get_loc("outcome")] = "dead"
    with pytest.raises(UserError, match="the test table has .dead. in column outcome, a class that is not trained on"):
        made(frame.iloc[:200], other)


# --- who scores, and who stands together ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0.1, 0.5), st.integers(40, 200))
def test_held_out_rows_are_a_share_of_each_class(seed: int, classes: int, share: float, rows: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, rows)
    labels[: 4 * classes] = np.repeat(np.arange(classes), 4)
    scores = held_out(labels, share, seed)
    for name in range(classes):
        mine = (labels == name).sum()
        assert (labels[scores] == name).sum() == max(1, round(share * mine))
    np.testing.assert_array_equal(scores, held_out(labels, share, seed))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(6, 20))
def test_no_group_stands_on_two_sides(seed: int, splits: int, number: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, number, 300)
    labels = random.integers(0, 2, 300)
    scores = held_out(labels, 0.25, seed, groups)
    rest = np.setdiff1d(np.arange(300), scores)
    assert not set(groups[scores]) & set(groups[rest])
    parts = split_rows(labels, splits, seed, 0, groups)
    of_part = [set(groups[part]) for part in parts]
    assert len({part.size for part in parts}) == 1 and parts[0].size > 0
    assert all(not a & b for i, a in enumerate(of_part) for b in of_part[:i])
    assert sum(map(len, parts)) == len(set(np.concatenate(parts)))


def test_groups_go_all_the_way(tmp_path: Path) -> None:
    found = made(table(), group="who")
    assert found.groups is not None and len(found.groups) == len(found.train.targets)
    assert found.train.inputs.shape[1] == 6 and any("whole groups of who" in note for note in found.notes)


# --- arrays and files ----------------------------------------------------------------------------------------------


def test_arrays_come_as_people_have_them() -> None:
    x, y = RANDOM.normal(size=(60, 4)), np.resize(["a", "b"], 60)
    one, two = of_arrays((x, y), Reading()), of_arrays((x[:40], y[:40], x[40:], y[40:]), Reading())
    pairs = of_arrays(((x[:40], y[:40]), (x[40:], y[40:])), Reading())
    frame = of_arrays(pd.DataFrame(x).assign(kind=y), Reading(label="kind"))
    assert one.digest == frame.digest and two.digest == pairs.digest and len(two.test.targets) == 20
    pictures = RANDOM.integers(0, 256, (30, 5, 6, 3)).astype(np.uint8)
    found = of_arrays((pictures, np.resize([0, 1, 2], 30)), PARTS)
    assert found.train.inputs.dtype == np.uint8 and found.picture == (5, 6, 3)
    assert found.train.inputs.shape[1] == 90 and found.examples_are == "images"
    for wrong, said in (((x,), "expected"), ((x, y[:-1]), "60 rows and 59 targets"), ((x, y, x), "expected")):
        with pytest.raises(UserError, match=said):
            of_arrays(wrong, Reading())


def test_files_say_the_same_as_the_table(tmp_path: Path) -> None:
    frame = table()
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    how = Reading(label="outcome", folds=False)
    digests = {load(str(tmp_path / name), None, how=how).digest for name in ("t.csv", "t.csv.gz", "t.parquet")}
    assert digests == {made(frame).digest}
    x, y = RANDOM.normal(size=(40, 3)), np.resize([0, 1], 40)
    for names in (("x", "y"), ("x_train", "y_train")):
        np.savez(tmp_path / "a.npz", **dict(zip(names, (x, y), strict=True)), x_test=x, y_test=y)
        assert load(str(tmp_path / "a.npz"), None).digest == of_arrays((x, y, x, y), how).digest


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.csv", None, "gone.csv does not exist"),
        ("gone.npz", None, "gone.npz does not exist, expected arrays"),
        (
            "t.csv",
            b"a,b,a,label\n1,2,3,x\n",
            'two columns called "a".*may be "a" and "a.1":.*t-renamed.csv',
        ),
        ("t.csv", b"", "t.csv is empty, expected"),
        ("t.csv", b"\n \n", "t.csv is empty, expected"),
        ("t.csv", b"a,label\n", "t.csv: the table has no rows"),
        ("t.csv", "a,label\n1,2\n".encode("utf-16"), "not in UTF-8.*encoding='utf-16'"),
        ("t.csv", "a,label\n1,d\u00e9j\u00e0 vu\n".encode("cp1252"), "not in UTF-8.*encoding='cp1252'"),
        ("t.csv", b"1.5,0.2,yes\n2.5,0.7,no\n", 'first line looks like a row .*"1.5", "0.2", "yes".*line of names'),
        ("t.csv", b"3,1,yes\n2,0,no\n", "first line looks like a row"),
        ("t.csv", b"0,1,2\n1.5,2.5,3.5\n", "which column is to be predicted"),
        ("t.csv", b"1,2,kind\n1.5,2.5,3.5\n", "which column is to be predicted"),
        ("t.csv", b"land,2001,2002,2003\nx,2.5,3.5,1\n", "which column is to be predicted"),
        ("t.csv", b"a,b\n1,2,3\n4,5,6,7\n", "can't be read as a table|which column"),
        ("t.parquet", b"PAR1", "can't be read as a table"),
        ("t.npz", b"PK", "can't be read as .npz"),
    ],
)
def test_files_that_are_none_are_said(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"(?s){said}"):
        load(str(tmp_path / name), None)
    with pytest.raises(UserError, match="goes with --data"):
        load(None, str(tmp_path / name))


def test_a_csv_in_kaggles_layout_is_images_and_any_other_a_table(tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text("label," + ",".join(f"pixel{i}" for i in range(1, 784)) + "\n")
    with pytest.raises(UserError, match="784 columns, expected 785"):
        load(str(tmp_path / "k.csv"), str(tmp_path / "l.csv"), None)
    assert len(read(_csv(tmp_path / "t.csv"))) == ROWS


def _csv(path: Path) -> Path:
    table().to_csv(path, index=False)
    return path


# --- a recipe of its size, and the whole way ------------------------------------------------------------------------


def test_the_recipe_follows_from_the_size(dataset: Dataset) -> None:
    assert suited_to(dataset) == {}  # images keep the notebook's
    x = RANDOM.normal(size=(4000, 2)).astype(np.float32)
    for rows, hidden in ((200, [32]), (3000, [64, 32])):
        data = of_arrays((x[:rows], np.resize([0, 1], rows), x[:10], np.resize([0, 1], 10)), Reading())
        found = suited_to(data)
        recipe = found["recipe"]
        assert recipe["hidden"] == hidden and 15 <= recipe["epochs"] <= 200
        steps = recipe["epochs"] * rows / found["splits"] / recipe["batch_size"]
        assert steps >= STEPS or recipe["epochs"] == 200
    few = of_arrays((x[:60], np.array([0] * 51 + [1] * 9), x[:10], np.resize([0, 1], 10)), Reading())
    assert suited_to(few)["splits"] == 2
    for rows, times in ((200, 100), (3000, 10), (100_000, 1)):
        data = of_arrays((np.resize(x, (rows, 2)), np.resize([0, 1], rows), x[:10], np.resize([0, 1], 10)), Reading())
        usual = suited_to(data, 5, ["l2", "dropout"])["axes"].get("l2", list(AXES["l2"].values))
        assert usual == pytest.approx([times * value for value in AXES["l2"].values])  # dropout does not fall so


@pytest.mark.slow
def test_a_table_goes_all_the_way_to_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = _csv(tmp_path / "patients.csv"), tmp_path / "run"
    flags = ["--data", str(file), "--label", "outcome", "--group", "who", "--epochs", "4", "--second-stage", "1"]
    command = ["--grid", "l2", "--l2", "0,1e-3,0.1", *flags, "--out", str(out)]
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "label: column outcome" in said and "6-32-3" in said and not out.exists()
    assert main(command) == 0
    results, page = read_run(out, for_report=True), (out / "report.md").read_text(encoding="utf-8")
    assert results.sweep["name"] == "patients-l2" and results.sweep["recipe"]["hidden"] == [32]
    assert "rows of patients.csv" in page
    assert not any(word in page.split("The sweep as resolved")[0] for word in ("image", "pixel"))
    assert set(pd.read_csv(out / "classes.csv")["class_name"]) == {"ill", "so-so", "well"}
    notes = json.loads((out / "run.json").read_text())["data"]["notes"]
    assert any("whole groups of who" in note for note in notes) and notes[0] in page
    before = {path.name: path.read_bytes() for path in (out / "members").iterdir()}
    assert main(command) == 0  # goes on, with nothing to train
    assert {path.name: path.read_bytes() for path in (out / "members").iterdir()} == before
    assert main([*command[:-2], "--drop", "age", "--out", str(out)]) == 2
    assert 'drop: none there, ["age"] here' in capsys.readouterr().err
    table(ROWS + 4).to_csv(file, index=False)
    assert main(command) == 2
    assert "data: other examples there" in capsys.readouterr().err


def test_from_python_with_a_frame(tmp_path: Path) -> None:
    how = {"data": table().drop(columns="who"), "label": "outcome"}
    sweep = jaxreg.load(
        flags={"grid": "l2", "l2": [0, 0.1], "splits": 2, "epochs": 2, "hidden": [4], "second_stage": 0}
    )
    run = jaxreg.run(sweep, dataset=of_arrays(how["data"], Reading(label="outcome", folds=False)), out=tmp_path / "run")
    assert len(run.members) == 4
    with pytest.raises(UserError, match="data and label: go with a grid or a sweep file"):
        jaxreg.run(sweep, **how, out=tmp_path / "other")


@pytest.mark.slow
def test_a_grid_and_a_frame_are_enough(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text('grid = "l2"\nsplits = 2\n[recipe]\nepochs = 2\n[axes]\nl2 = [0, 0.1]\n')
    run = jaxreg.run(file, data=table().drop(columns="who"), label="outcome", out=tmp_path / "run")
    assert set(run.members["architecture"]) == {"6-32-3"} and len(run.members) == 4


def test_noise_of_pixels_is_for_pictures(tmp_path: Path) -> None:
    frame = table().drop(columns="who")
    sweep = jaxreg.load(flags={"grid": "pixel_noise", "splits": 2, "epochs": 1, "second_stage": 0})
    with pytest.raises(UserError, match="pixel_noise is of 8-bit images"):
        jaxreg.run(sweep, dataset=of_arrays(frame, Reading(label="outcome", folds=False)), out=tmp_path / "run")


def _small(place: Path) -> Path:
    file = place / "small.toml"
    file.write_text('grid = "l2"\n[recipe]\nepochs = 2\n[axes]\nl2 = [0, 0.1]\n')
    return file


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.0, 50.0])
def test_a_tiny_table_gets_a_page_too_whether_it_is_noise_or_no_question(apart: float, tmp_path: Path) -> None:
    """Models that are right on all of six rows, and such that only guess: nothing is endless, or divided by."""
    labels = np.resize(["a", "b"], 26)
    x = np.random.default_rng(1).normal(size=(26, 2)) + apart * (labels == "a")[:, None]
    run = jaxreg.run(_small(tmp_path), data=(x, labels), out=tmp_path / "run")
    assert "## Answer" in run.report and not any(word in run.report for word in (" nan", "inf ", "e+"))


@pytest.mark.slow
def test_a_later_session_gives_arrays_again(tmp_path: Path) -> None:
    labels = np.resize(["a", "b"], 40)
    x = np.random.default_rng(1).normal(size=(40, 2)) + (labels == "a")[:, None]
    run = jaxreg.run(_small(tmp_path), data=(x, labels), out=tmp_path / "run")
    later = jaxreg.Run(run.folder)
    for more, said in (
        ({}, r"data that no file names. Give them: jaxreg.Run\(.*run'\).fit\(data=…\)"),
        ({"data": (x[:, ::-1], labels)}, "was trained on other data"),
        ({"test": (x, labels)}, "test: goes with data"),
    ):
        with pytest.raises(UserError, match=said):
            later.fit(1, **more)
    here = run.fit(1).predict_proba(x)
    frame = pd.DataFrame(x, columns=["x0", "x1"]).assign(target=labels)
    for again in ({"data": (x, labels)}, {"data": frame, "label": "target"}):
        np.testing.assert_array_equal(later.fit(1, **again).predict_proba(x), here)


@pytest.mark.slow
def test_a_later_session_gives_a_table_again_whose_label_the_run_knows(tmp_path: Path) -> None:
    labels = np.resize(["a", "b"], 40)
    frame = pd.DataFrame(np.random.default_rng(1).integers(9, size=(40, 2)), columns=["u", "v"]).assign(kind=labels)
    run = jaxreg.run(_small(tmp_path), data=frame, label="kind", out=tmp_path / "run")
    frame.to_csv(tmp_path / "table.csv", index=False)
    later, here = jaxreg.Run(run.folder), run.fit(1).predict_proba(frame)
    for again in ({"data": frame}, {"data": frame, "label": "kind"}, {"data": tmp_path / "table.csv"}):
        np.testing.assert_array_equal(later.fit(1, **again).predict_proba(frame), here)
    with pytest.raises(UserError, match=r"label: .*run predicts .kind., got .u.\. Leave label out"):
        later.fit(1, data=frame, label="u")
