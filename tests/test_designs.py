"""Which design a sweep has: disjoint parts, folds or all training rows, as asked for or by the number of rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from written_runs import L1_L2, write_run

import jaxreg
from jaxreg import sweep
from jaxreg.data.dataset import Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.data.parting import FEW
from jaxreg.data.splits import fold_numbers
from jaxreg.errors import UserError
from jaxreg.source import sweep_and_data


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """178 real rows."""
    file = tmp_path_factory.mktemp("tables") / "wine.csv"
    load_wine(as_frame=True).frame.to_csv(file, index=False)
    return file


def test_few_rows_are_cross_validated_unless_parts_are_asked_for(wine, tmp_path):
    random = np.random.default_rng(0)
    for rows, folded in ((FEW - 1, True), (FEW, False)):
        x, y = random.standard_normal((rows, 2)), np.arange(rows) % 2
        assert of_arrays((x, y), Reading()).folded is folded
        assert sweep_and_data(None, {"grid": "l2"}, data=(x, y))[0].folded is folded
        dealt, _ = sweep_and_data(None, {"grid": "l2", "deals": 3}, data=(x, y))
        assert dealt.folded is folded and dealt.deals == 3
    for flags in ({"splits": 3}, {"holdout": 0.3}, {"grid": "l2*train_examples=10,20"}, {"design": "parts"}):
        asked, data = sweep_and_data(None, {"grid": "l2", "data": str(wine), **flags})
        assert data is not None and not asked.folded and not data.folded and asked.design == "parts"
    asked, data = sweep_and_data(None, {"grid": "l2", "data": str(wine), "design": "holdout"})
    assert data is not None and not data.folded and (asked.splits, asked.seeds) == (1, 5)
    assert len(data.test.targets) == pytest.approx(178 / 4, abs=2)


def test_a_dry_run_says_that_it_does_not_know_what_folds_can_tell(wine, capsys):
    for design, known in (("folds", False), ("parts", True)):
        asked = f"--grid l2 --data {wine} --design {design} --splits 3 --dry-run"
        assert sweep.main(asked.split()) == 0
        said = capsys.readouterr().out
        assert ("a true difference from the plain cell is found in 80 %" in said) is known
        assert ("what it could tell apart is not known beforehand" in said) is not known
        assert ("a guess from images: of these data nothing is known" in said.splitlines()[-1]) is known
        assert len(re.findall("images|Fashion-MNIST", said)) == known  # once, and in the line of what it is of


def test_no_run_tells_what_folds_will_tell_and_folds_tell_nothing_of_parts(wine, tmp_path, capsys):
    folded = write_run(tmp_path / "folded", cells=L1_L2[:2])
    record = json.loads((folded / "run.json").read_text())
    (folded / "run.json").write_text(json.dumps(record | {"sweep": record["sweep"] | {"design": "folds"}}))
    for design, said in (("folds", "--like: no earlier run says"), ("parts", "Name a run with disjoint parts")):
        asked = f"--grid l2 --data {wine} --design {design} --dry-run --like {folded}"
        assert sweep.main(asked.split()) == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--second-stage 2", "does not go with cross-validation"),
        ("--settle", "does not go with cross-validation"),
        ("--test {wine}", "does not go with cross-validation"),
        ("--splits 2", "needs 3 folds or more"),
        ("--grid l2*train_examples=20,40", "train_examples needs disjoint parts"),
    ],
)
def test_what_folds_do_not_have_is_refused(wine, flags, said, tmp_path, capsys):
    typed = f"--grid l2 --design folds --data {wine} --out {tmp_path / 'out'} {flags.format(wine=wine)}"
    assert sweep.main(typed.split()) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_more_parts_than_rows_of_a_class_are_refused_by_its_name_before_there_is_a_folder(tmp_path, capsys):
    kinds = pd.DataFrame({"u": np.arange(60) % 7, "v": np.arange(60) / 8, "kind": ["ant"] * 50 + ["bee"] * 10})
    kinds.to_csv(tmp_path / "kinds.csv", index=False)
    command = ["--grid", "l2", "--data", str(tmp_path / "kinds.csv"), "--splits", "9", "--out", str(tmp_path / "out")]
    for label, said in (
        (
            "kind",
            '9 splits were asked for, but class "bee" has only 8 training examples. Type --splits 8 or '
            "less, or leave the rows of it out.",
        ),
        ("v", None),
    ):
        for more in ([], ["--dry-run"]) if said else (["--dry-run"],):
            assert sweep.main([*command, "--label", label, *more]) == (2 if said else 0)
            assert (said or "") in capsys.readouterr().err
    assert sweep.main([*command, "--label", "v", "--splits", "46", "--dry-run"]) == 2
    assert "46 splits were asked for, but there are only 45 training examples." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_have_a_test_part_and_no_folds(capsys):
    assert sweep.main(["--grid", "l2", "--design", "folds", "--dry-run"]) == 2
    assert "takes a table or arrays" in capsys.readouterr().err
    with pytest.raises(UserError, match="has 2 rows"):
        fold_numbers(np.array([0, 0, 0, 1, 1]), 3, 0)


def test_rows_that_were_trained_on_never_score_by_accident(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((60, 2)), np.resize([0, 1], 60)
    parts = jaxreg.load(flags={"grid": "l2", "splits": 2, "second_stage": 0})
    with pytest.raises(UserError, match="all rows of these data are for a cross-validation"):
        jaxreg.run(parts, dataset=of_arrays((x, y), Reading()), out=tmp_path / "run")
    folds = jaxreg.load(flags={"grid": "l2", "design": "folds"})
    with pytest.raises(UserError, match="without a test part"):
        jaxreg.run(folds, dataset=of_arrays((x, y, x, y), Reading()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_few_pictures_are_cross_validated_and_flat_bytes_are_a_table():
    random = np.random.default_rng(0)
    pictures, y = random.integers(0, 256, (60, 5, 4), dtype=np.uint8), np.resize([0, 1], 60)
    asked, data = sweep_and_data(None, {"grid": "l2"}, data=(pictures, y))
    assert asked.folded and data is not None and data.folded and data.picture == (5, 4)
    assert asked.recipe.scaling == "unit" and data.train.inputs.dtype == np.uint8
    flat = pictures.reshape(60, -1)
    asked, as_bytes = sweep_and_data(None, {"grid": "l2"}, data=(flat, y))
    _, as_numbers = sweep_and_data(None, {"grid": "l2"}, data=(flat.astype(float), y))
    assert as_bytes is not None and as_numbers is not None and asked.folded
    np.testing.assert_array_equal(as_bytes.train.inputs, as_numbers.train.inputs)
    assert abs(as_bytes.train.inputs.mean()) < 1e-5 and "by the rows that a network" in "".join(as_bytes.notes)


def test_of_few_groups_each_is_a_fold():
    """Nobody asked for five: with three hospitals it is three folds; who asks for more is told how many there are."""
    rows = np.arange(120)
    table = pd.DataFrame({"x": np.sin(rows), "y": np.where(rows % 2, "a", "b"), "hospital": rows // 40})
    flags = {"grid": "l2", "label": "y", "group": "hospital"}
    assert sweep_and_data(None, flags, data=table)[0].splits == 3
    for few, said in ((table, "Type --splits 3, or --design holdout"), (table[rows < 80], "Type --design holdout")):
        with pytest.raises(UserError, match=f"5 folds take as many groups, and there are .. {said}"):
            sweep_and_data(None, {**flags, "design": "folds", "splits": 5}, data=few.reset_index(drop=True))
    parts = {**flags, "design": "parts", "holdout": 0.3}  # one hospital scores, two are trained on
    assert sweep_and_data(None, parts, data=table)[0].splits == 2
    with pytest.raises(UserError, match="5 splits take as many groups, and there are 2. Type --splits 2, or --design"):
        sweep_and_data(None, {**parts, "splits": 5}, data=table)


def notes_of(table: object, **flags: object) -> str:
    found = sweep_and_data(None, {"grid": "l2", **flags}, "--", data=table)[1]
    assert found is not None
    return "; ".join(found.notes)


def test_the_notes_name_the_design_and_why():
    """By size, for want of a class's rows, or as asked: exactly one of the designs is named."""
    random = np.random.default_rng(0)
    few, many = ((random.standard_normal((rows, 2)), np.arange(rows) % 2) for rows in (FEW - 1, FEW))
    rare = few[0], np.where(np.arange(FEW - 1) < 2, 2, few[1])
    for data, flags, said in (
        (few, {}, "have not seen it|since fewer than 1,000 rows are few"),
        (many, {}, "no cross-validation, since 1,000 rows or more|design: parts, 5 disjoint ones of the 750 "),
        (rare, {"design": "holdout"}, "design: holdout, all 749 training rows, as asked for"),
        (many, {"design": "folds"}, "cross-validation, each of 1,000 rows|as asked for"),
        (few, {"design": "parts"}, "design: parts, 5 disjoint ones of the 749 training rows, as asked for"),
        (few, {"splits": 2}, "design: parts, 2 disjoint ones of the 749 training rows, as asked for"),
        (few, {"design": "holdout"}, "design: holdout, all 749 training rows, as asked for"),
        ((*many, *few), {}, "999 rows of a test table score|design: parts, 5 disjoint ones of the 1,000 training rows"),
    ):  # fmt: skip
        notes = notes_of(data, **flags)
        assert all(part in notes for part in said.split("|")), notes
        assert ("as asked for" in notes) is bool(flags)
        assert ("design: " in notes) is not ("table: cross-validation, " in notes)


@pytest.mark.parametrize("flags", [{"design": "folds"}, {"design": "parts"}, {"design": "holdout"}])
def test_the_notes_say_that_groups_stay_together(flags):
    rows = np.arange(120)
    table = pd.DataFrame({"x": np.sin(rows), "y": np.where(rows % 2, "a", "b"), "who": rows // 6})
    said = "rows with the same who stay together in every split and fold: 20 groups"
    assert said in notes_of(table, label="y", group="who", **flags)
    assert "together" not in notes_of(table, label="y", **flags)


def test_the_notes_say_what_of_the_recipe_the_size_chose(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((300, 2)), np.arange(300) % 2
    both = notes_of((x, y))
    assert "chosen by the number of rows: hidden layers of 32 units and 67 epochs" in both
    assert "--hidden and --epochs change it" in both
    assert "rows: 67 epochs; --epochs changes it" in notes_of((x, y), hidden=[32])
    assert "chosen" not in notes_of((x, y), hidden=[32], epochs=67)
    file = tmp_path / "own.toml"
    file.write_text('grid = "l2"\n[recipe]\nepochs = 3\n')
    asked, data = sweep_and_data(file, {}, "--", data=(x, y))
    assert data is not None and asked.recipe.epochs == 3
    assert [note for note in data.notes if "chosen" in note] == [
        "chosen by the number of rows: hidden layers of 32 units; --hidden changes it"
    ]


def of_classes(**rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.concatenate([[name] * number for name, number in rows.items()])
    return np.random.default_rng(0).standard_normal((len(labels), 2)), labels


def test_a_class_of_too_few_rows_is_refused_by_its_name_unless_somebody_chose_a_design(tmp_path):
    for rows, has, end in (
        (2, "2 rows", 'Leave its rows out, join it with another class, or type design="holdout".'),
        (1, "1 row", "Leave its rows out, or join it with another class."),  # one design more that it is too few for
    ):
        with pytest.raises(UserError) as error:
            jaxreg.run("l2", data=of_classes(ant=60, bee=30, wasp=rows), out=tmp_path / "run")
        assert f'class "wasp" has {has}, and a study needs 3 of each. There are 3 classes' in str(error.value)
        assert str(error.value).endswith(end)
    assert sweep_and_data(None, {"grid": "l2", "design": "holdout"}, data=of_classes(ant=60, wasp=2))[0].seeds == 5
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rare", "flags", "splits", "seeds", "said"),
    [
        (6, {}, 2, 1, 'of the 904 training rows; 2 splits, since class "wasp" has 4 training rows: leave its rows out'),
        (2, {}, 1, 5, 'design: holdout, all 901 training rows; 1 split, since class "wasp" has 1 training row: leave'),
        (2, {"holdout": 0.4}, 1, 5, '721 training rows, as asked for; 1 split, since class "wasp" has 1 training row'),
        (2, {"seeds": 3}, 1, 3, "design: holdout, all 901 training rows; 1 split, since class"),
        (40, {}, 5, 1, None),
        (40, {"splits": 2}, 2, 1, None),
        (2, {"design": "holdout"}, 1, 5, None),
    ],
)
def test_the_notes_name_the_class_that_leaves_fewer_splits(rare, flags, splits, seeds, said):
    data = of_classes(ant=800, bee=400, wasp=rare)
    made, found = sweep_and_data(None, {"grid": "l2", **flags}, data=data)
    assert (made.splits, made.seeds) == (splits, seeds) and found is not None
    assert (made.design == "holdout") == (splits == 1 and "holdout" not in flags)
    notes = "; ".join(found.notes)
    assert said in notes if said else "since class" not in notes


def test_of_one_row_of_a_class_there_is_one_split():
    said = 'class "wasp" has only 1 training example. Type --splits 1, or leave the rows of it out.'
    with pytest.raises(UserError, match=re.escape(said)):
        sweep_and_data(None, {"grid": "l2", "splits": 3}, data=of_classes(ant=800, bee=400, wasp=2))
