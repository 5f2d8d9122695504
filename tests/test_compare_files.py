"""Files of predictions, of every kind, and the command that reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_compare import NAMES, made

import jaxreg
from jaxreg.decomposition import decompose
from jaxreg.errors import UserError
from jaxreg.report.__main__ import main
from jaxreg.store.given_files import read


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    return jaxreg.compare(**made(), reference="alpha=0", trained_on=50, out=tmp_path_factory.mktemp("compare") / "run")


def as_npz(file: Path, **more: Any) -> Path:
    np.savez(file, **made(), **more)
    return file


def as_parquet(file: Path) -> Path:
    pytest.importorskip("pyarrow")
    given, rows = made(), []
    for p, cell, split, seed in zip(*(given[key] for key in ("predictions", "cell", "split", "seed")), strict=True):
        for example, (one, target) in enumerate(zip(p, given["targets"], strict=True)):
            keys = {"cell": cell, "split": split, "seed": seed, "example": example, "target": NAMES[target]}
            rows.append(keys | dict(zip(NAMES, one, strict=True)))
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(file)
    return file


def test_the_command_takes_both_kinds_of_files(tmp_path: Path, compared: jaxreg.Run, capsys: Any) -> None:
    npz, parquet = as_npz(tmp_path / "mine.npz"), as_parquet(tmp_path / "mine.parquet")
    for file, place in ((npz, tmp_path / "a"), (parquet, tmp_path / "b")):
        assert main(["--predictions", str(file), "--out", str(place), "--reference", "alpha=0"]) == 0
        assert f"wrote {place / 'report.md'}" in capsys.readouterr().out
        run = jaxreg.Run(place)
        pd.testing.assert_frame_equal(run.comparisons, compared.comparisons, rtol=1e-5)
        assert json.loads((place / "run.json").read_text())["command"].startswith(
            "python -m jaxreg.report --predictions"
        )
        assert main([str(place)]) == 0  # the page again, from its tables
    assert set(jaxreg.Run(tmp_path / "b").table("classes")["class_name"]) == set(NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give the folder of a run, such as reports/l1-l2, or --predictions FILE"),
        (["DIR", "--predictions", "FILE"], "and not both"),
        (["DIR", "--out", "there"], "--out, --reference, --kind: go with --predictions"),
        (["DIR", "--kind", "votes"], "--out, --reference, --kind: go with --predictions"),
        (["--predictions", "FILE", "--kind", "odds"], "--kind: invalid choice: 'odds'"),
        (["--predictions", "nowhere.npz"], "nowhere.npz is missing"),
        (["--predictions", "nowhere.parquet"], "nowhere.parquet is missing"),
    ],
)
def test_wrong_flags_are_said(arguments: list[str], said: str, capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_files_that_lack_something_say_what(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    np.savez(file, predictions=np.ones((1, 2, 2)) / 2, targets=[0, 1])
    with pytest.raises(UserError, match="has no array cell"):
        read(file)
    np.savez(file, **made(), weights=np.ones(3))
    with pytest.raises(UserError, match="has an array .weights."):
        read(file)
    file.write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="can't be read as .npz"):
        read(file)
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "mine.npz").write_bytes((tmp_path / "object.npy").read_bytes())
    with pytest.raises(UserError, match="can't be read as .npz"):
        read(file)


def rows_of(given: dict[str, Any], predicted: Any) -> list[dict[str, Any]]:
    """A row a model and example, with what `predicted` makes of the model's number and the example's."""
    models = pd.DataFrame({name: given[name] for name in ("cell", "split", "seed")}).to_dict("records")
    return [
        {**keys, "example": example, **predicted(model, example)}
        for model, keys in enumerate(models)
        for example in range(len(given["targets"]))
    ]


@pytest.mark.pages
def test_a_column_of_classes_is_votes(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    given, file = made(), tmp_path / "votes.parquet"
    votes = np.array(NAMES)[np.array(given["predictions"]).argmax(-1)]
    names = np.array(NAMES)[given["targets"]]
    rows = rows_of(given, lambda m, e: {"target": names[e], "prediction": votes[m, e]})
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(file)
    assert main(["--predictions", str(file), "--out", str(tmp_path / "run")]) == 0
    expected = jaxreg.compare(**given | {"predictions": votes, "targets": names}, out=tmp_path / "expected")
    pd.testing.assert_frame_equal(jaxreg.Run(tmp_path / "run").decomposition, expected.decomposition)


@pytest.mark.pages
def test_quantities_come_from_every_kind_of_file(tmp_path: Path) -> None:
    """One and several, from Parquet and .npz, as from Python; whole numbers are quantities where that is said."""
    pytest.importorskip("pyarrow")
    random, given = np.random.default_rng(0), made()
    targets = random.normal(size=(len(given["targets"]), 2)) * [1, 20]
    noise = random.normal(size=(len(given["cell"]), *targets.shape)) * [1, 20]
    values = targets + noise * np.repeat([0.1, 0.3, 1.0], 8)[:, None, None]
    pd.DataFrame(rows_of(given, lambda m, e: {"target": targets[e, 0], "prediction": values[m, e, 0]})).to_parquet(
        tmp_path / "one.parquet"
    )
    both = [f"{of}_{name}" for of in ("target", "prediction") for name in ("depth", "width")]
    table = rows_of(given, lambda m, e: dict(zip(both, [*targets[e], *values[m, e]], strict=True)))
    pd.DataFrame(table).sample(frac=1, random_state=0).to_parquet(tmp_path / "both.parquet")
    rounded = np.round(values[..., 0] * 10).astype(int), np.round(targets[:, 0] * 10).astype(int)
    whole = rows_of(given, lambda m, e: {"target": rounded[1][e], "prediction": rounded[0][m, e]})
    pd.DataFrame(whole).to_parquet(tmp_path / "whole.parquet")
    np.savez(tmp_path / "both.npz", **given | {"predictions": values, "targets": targets})
    for file, predictions, wanted, more in (
        ("one.parquet", values[..., 0], targets[:, 0], []),
        ("both.parquet", values, targets, []),
        ("whole.parquet", *rounded, ["--kind", "quantities"]),
    ):
        assert main(["--predictions", str(tmp_path / file), "--out", str(tmp_path / "of" / file), *more]) == 0
        found = jaxreg.Run(tmp_path / "of" / file)
        own = decompose(predictions[8:16], wanted, given["split"][8:16], given["seed"][8:16], kind="quantities")
        mine = found.decomposition[found.decomposition["cell"] == "alpha=1"].reset_index(drop=True)
        same = own.columns[own.notna().any()]
        pd.testing.assert_frame_equal(mine[same], own[same], rtol=1e-9)
        assert "RMSE" in found.report
    np.testing.assert_array_equal(read(tmp_path / "both.npz").predictions, read(tmp_path / "both.parquet").predictions)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    whole = pd.DataFrame({"cell": ["a"] * 2, "example": [0, 1], "target": [0, 1], "prediction": [0, 1]})
    for column in whole:
        whole.drop(columns=column).to_parquet(tmp_path / "mine.parquet")
        with pytest.raises(UserError, match=f"has no column {column}"):
            read(tmp_path / "mine.parquet")
    texts = whole.drop(columns=["target", "prediction"]).assign(target_x=[0.5, 1.5], prediction_x=["much", "little"])
    texts.to_parquet(tmp_path / "mine.parquet")
    assert main(["--predictions", str(tmp_path / "mine.parquet"), "--out", str(tmp_path / "run")]) == 2


@pytest.mark.pages
def test_the_table_in_the_documents_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    document = (Path(__file__).parents[1] / "docs" / "compare.md").read_text(encoding="utf-8")
    piece, given = next(one for one in document.split("```python\n")[1:] if "to_parquet(" in one), made(seeds=1)
    monkeypatch.chdir(tmp_path)
    votes = [p.argmax(-1) for p in given["predictions"]]
    known = {"cells": given["cell"], "splits": given["split"], "predictions": votes, "y_test": given["targets"]}
    exec(piece.split("```")[0], known)
    assert main(["--predictions", "mine.parquet"]) == 0
    assert set(jaxreg.Run("reports/mine").decomposition["loss"]) == {"zero_one"}
