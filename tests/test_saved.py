"""Fitted networks go to a file and come back bit for bit; other files are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_networks import Own, fitted, patients, same, table_of
from safetensors.numpy import load_file, save_file

import jaxreg
from jaxreg import fit as fit_command
from jaxreg.data.all_rows import with_all_rows
from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.errors import UserError
from jaxreg.store import weights_file

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"ensemble": 2},
        {"batch_norm": [True], "dropout": [[0.3, 0]], "scaling": ["standard"], "biases": False},
        {"max_norm": [2.0], "early_stopping": [2], "optimizer": "sgd", "schedule": "cosine", "scaling": ["raw"]},
    ],
    ids=str,
)
def test_what_was_saved_predicts_the_same_to_the_last_bit(
    settings: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    made = fitted(dataset, **settings)
    file = made.save(tmp_path / "made.safetensors")
    again = jaxreg.load(file)
    same(made, again, dataset.test.inputs)
    assert (again.cell, again.class_names, len(again.members)) == (made.cell, made.class_names, len(made.members))
    assert again.score(*dataset.test) == made.score(*dataset.test)
    assert again.save(tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_rows_of_a_table_are_given_as_they_are(tmp_path: Path) -> None:
    """With texts, standardised and encoded as in training, in any order of the columns, one by one or together."""
    frame = patients()
    table, rows = table_of(frame), frame.drop(columns="outcome")
    made = fitted(table, ensemble=2)
    again = jaxreg.load(made.save(tmp_path / "table.safetensors"))
    same(made, again, rows)
    trained_on = with_all_rows(table).train.inputs
    assert made.encoding is not None
    np.testing.assert_allclose(made.encoding.rows(rows), trained_on, rtol=0, atol=1e-6)
    np.testing.assert_allclose(again.predict_proba(rows), made._mean(trained_on), rtol=1e-5)
    np.testing.assert_array_equal(made.predict_proba(rows[["smokes", "age", "ward"]]), made.predict_proba(rows))
    np.testing.assert_array_equal(made.predict_proba(rows.to_numpy()), made.predict_proba(rows))
    np.testing.assert_array_equal(made.predict_proba(rows.iloc[[7]]), made.predict_proba(rows)[[7]])
    named = frame["outcome"].astype(str)
    assert made.score(frame, named) == made.score(frame, frame["outcome"]) == made.score(frame, named.tolist()) > 0.3
    for targets in (frame["outcome"] + 1, named.replace("1", "ill")):
        with pytest.raises(UserError, match="targets must be classes as labels had them, 0, 1, or names; got"):
            made.score(frame, targets)
    strange = rows.assign(ward="south")  # none of the wards in training, as in a test table
    assert made.encoding.rows(strange)[:, 1:4].max() == 0
    for wrong, said in (
        (rows.drop(columns="ward"), "the rows have no column ward"),
        (rows.assign(age=np.nan), "age lacks 90 values"),
        (rows.assign(age=np.inf), "age has infinite numbers"),
        (rows.assign(age="old"), "age has texts, and it was of numbers"),
        (rows.to_numpy()[:, :2], "rows have 2 columns, expected 3: age, ward, smokes"),
    ):
        with pytest.raises(UserError, match=said):
            again.predict_proba(wrong)


@pytest.mark.parametrize(
    "values",
    [["well", "ill"], [7, 3], [True, False], [0.5, 2.5, 1.5], [2.0, 4.0], pd.Categorical(["b", "a"])],
    ids=lambda values: str(list(values)),
)
def test_predictions_are_classes_as_the_labels_had_them(values: Any, tmp_path: Path) -> None:
    """As those of scikit-learn's classifiers, whose `classes_` are `np.unique` of the labels."""
    frame = patients()
    frame["outcome"] = pd.Series(np.resize(np.asarray(values), len(frame)))
    data = of_arrays(frame, Reading(label="outcome", task="classification"))
    made, rows = fitted(data), frame.drop(columns="outcome")
    again = jaxreg.load(made.save(tmp_path / "made.safetensors"))
    for one in (made, again):
        assert one.classes_.tolist() == np.unique(frame["outcome"]).tolist() == sorted(set(values))
        assert one.classes_.dtype.kind == ("U" if isinstance(values[0], str) else np.asarray(values).dtype.kind) or (
            values == [2.0, 4.0]  # whole numbers, however they are written
        )
        found = one.predict(rows)
        assert set(found.tolist()) <= set(values)
        np.testing.assert_array_equal(found, one.classes_[one.predict_proba(rows).argmax(1)], strict=True)
        assert one.score(rows, frame["outcome"]) == (found == frame["outcome"]).mean()
    assert again.labels == made.labels and list(map(type, again.labels)) == list(map(type, made.labels))
    assert again.save(tmp_path / "again.safetensors").read_bytes() == (tmp_path / "made.safetensors").read_bytes()
    with pytest.raises(UserError, match="targets must be classes as labels had them"):
        made.score(rows, [99] * len(rows))


@pytest.mark.exports
def test_texts_of_a_csv_come_back_as_texts(tmp_path: Path) -> None:
    """The whole way: a file, a sweep, networks on all of it, and these in a file."""
    frame = patients()
    frame["outcome"] = frame["outcome"].map({0: "well", 1: "ill"})
    frame.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "small.toml").write_text(
        'grid = "l2"\nsplits = 2\n[recipe]\nepochs = 60\nhidden = [8]\n[axes]\nl2 = [0, 1e-3]\n'
    )
    how = {"data": tmp_path / "patients.csv", "label": "outcome", "out": tmp_path / "run"}
    jaxreg.run(tmp_path / "small.toml", **how)
    file = tmp_path / "f.safetensors"
    assert fit_command.main([str(tmp_path / "run"), "--cell", "plain", "--save", str(file), "--quiet"]) == 0
    read = pd.read_csv(tmp_path / "patients.csv")
    found = jaxreg.load(file).predict(read)
    assert set(found) == {"ill", "well"} and (found == read["outcome"]).mean() > 0.7


def test_images_give_numbers_of_classes(dataset: Dataset, tmp_path: Path) -> None:
    """Which are the labels in their files; `class_names` has what people call them, which `score` takes too."""
    made = fitted(dataset)
    assert made.classes_.tolist() == list(range(10)) and made.class_names[9] == "Ankle boot"
    found, names = made.predict(dataset.test.inputs), np.array(made.class_names)
    assert found.dtype.kind == "i" and (made.predict_proba(dataset.test.inputs).argmax(1) == found).all()
    assert made.score(*dataset.test) == made.score(dataset.test.inputs, names[dataset.test.targets])


@pytest.mark.parametrize("label", ["age", "age,dose"])
def test_quantities_come_back_in_their_units(label: str, tmp_path: Path) -> None:
    frame = patients().assign(dose=lambda table: 1000 + 30 * table["age"])
    made = fitted(table_of(frame, label), ensemble=2, loss="squared", epochs=30, learning_rate=[0.01])
    again = jaxreg.load(made.save(tmp_path / "made.safetensors"))
    names = label.split(",")
    found, wanted = again.predict(frame), frame[names].to_numpy()
    np.testing.assert_array_equal(made.predict(frame), found, strict=True)
    assert found.shape == ((90,) if label == "age" else (90, 2)) and again.quantities == made.quantities
    assert again.quantities.names == tuple(names) and abs(found.mean() - wanted.mean()) < 0.1 * wanted.mean()
    from sklearn.metrics import r2_score

    target = frame["age"] if label == "age" else wanted
    assert again.score(frame, target) == pytest.approx(r2_score(target, found)) and again.score(frame, target) > 0
    with pytest.raises(UserError, match="predict_proba: age.* has no classes. Use predict"):
        again.predict_proba(frame)


def refused(file: Path, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        jaxreg.load(file)
    assert "\n" not in str(error.value) and str(file) in str(error.value)


def test_a_damaged_file_is_refused_in_one_line(dataset: Dataset, tmp_path: Path) -> None:
    file = fitted(dataset).save(tmp_path / "made.safetensors")
    content, bad = file.read_bytes(), tmp_path / "bad.safetensors"
    random = np.random.default_rng(0)
    header = int.from_bytes(content[:8], "little") + 8
    places = [*random.integers(0, header, 30), *random.integers(header, len(content), 10)]
    for place in places:
        bit = 1 << int(random.integers(8))
        bad.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        refused(bad, "damaged|is a safetensors file of something else")
    for end in (0, 7, 8, header - 1, header, len(content) - 1):
        bad.write_bytes(content[:end])
        refused(bad, "is no safetensors file, or a damaged one")
    bad.write_bytes(content + b"more")
    refused(bad, "or a damaged one")


def test_files_of_others_are_refused_in_one_line(dataset: Dataset, tmp_path: Path) -> None:
    bad, made = tmp_path / "bad.safetensors", fitted(dataset)
    refused(bad, "can't be read .No such file")
    bad.mkdir()
    refused(bad, "can't be read .Is a directory")
    bad.rmdir()
    save_file({"weight": np.ones(3)}, bad)
    refused(bad, "is a safetensors file of something else")

    def changed(change: Callable[[dict[str, Any], dict[str, Any]], object], said: str) -> None:
        record, arrays = weights_file.read(made.save(bad))
        change(record, arrays)
        weights_file.write(bad, record, arrays)
        refused(bad, said)

    changed(lambda r, a: r.update(format=2, versions={"jaxreg": "9.9"}), "was written by jaxreg 9.9, and this is")
    changed(lambda r, a: r.pop("class_names"), "class_names: is missing")
    changed(
        lambda r, a: r.update(class_names=["a"]), "has another: networks/0/params/output/bias is .10., expected .1."
    )
    changed(lambda r, a: r.update(networks=2), "lacks an array of this network, or has another: networks/1/params")
    changed(lambda r, a: a.pop("scaling/shift"), "lacks an array of this network, or has another: scaling/shift")
    changed(lambda r, a: r["cell"]["settings"].update(hidden=[5, 40]), "has another: networks/0/params/hidden_1")
    changed(lambda r, a: r["cell"]["settings"].update(hidden=[10**9]), "hidden")
    changed(lambda r, a: r.update(columns=[["age", "x", 1.0, None]]), "columns")
    changed(lambda r, a: r.update(found_at="os:system('x')"), "found_at")
    changed(lambda r, a: r.update(estimator={"class": "Other"}), "holds an estimator Other")
    changed(lambda r, a: r.update(estimator={"class": "RegularizedMLPClassifier"}), "makes no sense .'parameters'")
    with pytest.raises(UserError, match="its network is of jaxreg's own. Leave network= out"):
        jaxreg.load(made.save(tmp_path / "made.safetensors"), network=Own())
    with pytest.raises(UserError, match="network: goes with a .safetensors file"):
        jaxreg.load(ROOT / "sweeps" / "quick.toml", network=Own())
    for path, said in ((tmp_path / "made.pt", "must end in .safetensors"), (tmp_path / "no" / "made.safetensors", "")):
        with pytest.raises(UserError, match=said or "can't be written .No such file"):
            made.save(path)


def test_any_reader_of_safetensors_has_the_weights(dataset: Dataset, tmp_path: Path) -> None:
    """And Python is asked to load nothing but numbers and JSON."""
    made = fitted(dataset, ensemble=2)
    arrays = load_file(made.save(tmp_path / "made.safetensors"))
    for number, weights in enumerate(made.members):
        for layer in ("hidden_0", "hidden_1", "output"):
            for name in ("kernel", "bias"):
                found = arrays[f"networks/{number}/params/{layer}/{name}"]
                np.testing.assert_array_equal(found, weights.params[layer][name], strict=True)
    record, _ = weights_file.read(tmp_path / "made.safetensors")
    assert record["class_names"][0] == "T-shirt/top" and record["cell"]["settings"]["l1"] == 1e-4
    assert record["versions"]["jaxreg"] == jaxreg.__version__ and json.dumps(record)


@pytest.mark.exports
def test_a_run_says_what_was_recommended(dataset: Dataset, tmp_path: Path) -> None:
    settings = {"hidden": [4], "epochs": 1, "batch_size": [50], "splits": 2, "second_stage": 1, "curve_images": 20}
    sweep = jaxreg.load(flags={"grid": "l1", "l1": [0, 0.1], **settings})
    run = jaxreg.run(sweep, dataset=dataset, out=tmp_path / "run")
    again = jaxreg.load(run.fit(1).save(tmp_path / "made.safetensors"))
    assert again.about["recommended"] == run.best == again.cell.name and again.about["verdict"] == run.verdict
    assert again.about["data"]["digest"] == dataset.digest
    assert str(tmp_path).encode() not in (tmp_path / "made.safetensors").read_bytes()
