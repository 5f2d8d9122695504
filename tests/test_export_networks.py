"""Fitted networks for others: Keras itself, and NumPy alone, predict the same from rows as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from fitted_networks import Own, fitted, patients, table_of

from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError
from jaxreg.fit import main
from jaxreg.fitted import Fitted
from jaxreg.run import run

pytestmark = [
    pytest.mark.exports,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras, as it saves
]

ROUNDING = {"rtol": 2e-4, "atol": 2e-6}  # of float32 products in another order
SETTINGS = [
    {"ensemble": 1, "l2": [1e-3]},
    {"ensemble": 2, "batch_norm": [True], "dropout": [[0.3, 0]], "scaling": ["standard"], "l1": [1e-4]},
    {"ensemble": 2, "biases": False, "scaling": ["raw"], "penalised": "all", "learning_rate": [1e-4]},
]


def features(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    """What an exported network takes of the table: numbers as they are, 0 or 1 for each text, in this order."""
    return pd.get_dummies(frame, columns=["ward"], prefix_sep="=")[names].to_numpy(np.float64)


def by_numpy(file: Path, rows: np.ndarray) -> np.ndarray:
    """As the documents have it."""
    saved = np.load(file)
    settings = json.loads(str(saved["settings"]))
    each, number = [], 0
    while any(name.startswith(f"networks/{number}/") for name in saved.files):
        own = {name.partition(f"networks/{number}/")[2]: saved[name] for name in saved.files}
        x = (rows - saved["shift"]) / saved["scale"]
        for layer in range(len(settings["hidden"])):
            x = x @ own[f"params/hidden_{layer}/kernel"] + own.get(f"params/hidden_{layer}/bias", 0)
            x = np.maximum(x, 0)
            if settings["batch_norm"]:
                norm = f"batch_norm_{layer}"
                x = (x - own[f"statistics/{norm}/mean"]) / np.sqrt(own[f"statistics/{norm}/var"] + 1e-3)
                x = x * own[f"params/{norm}/scale"] + own[f"params/{norm}/bias"]
        logits = x @ own["params/output/kernel"] + own.get("params/output/bias", 0)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        each.append(odds / odds.sum(1, keepdims=True))
        number += 1
    return np.mean(each, axis=0)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_keras_and_numpy_predict_the_same_from_pixels(
    settings: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    made, rows = fitted(dataset, **settings), dataset.test.inputs
    expected = made.predict_proba(rows)
    assert expected.std(0).max() > 0.02  # they say something
    model = keras.models.load_model(made.export(tmp_path / "made.keras"))
    np.testing.assert_allclose(model.predict(rows, verbose=0), expected, **ROUNDING)
    np.testing.assert_allclose(by_numpy(made.export(tmp_path / "made.npz"), rows), expected, **ROUNDING)
    first = model if settings["ensemble"] == 1 else model.get_layer("network_0")
    np.testing.assert_array_equal(first.get_layer("hidden_0").kernel, made.members[0].params["hidden_0"]["kernel"])
    assert first.get_layer("hidden_0").kernel_regularizer is None or float(
        first.get_layer("hidden_0").kernel_regularizer.l2
    ) == pytest.approx(made.cell.settings.l2)
    assert {layer.name for layer in first.layers} >= {"hidden_0", "hidden_1", "output"}


def test_keras_can_train_on(dataset: Dataset, tmp_path: Path) -> None:
    """It is a model like any other: with its penalty in the loss."""
    made = fitted(dataset, batch_norm=[True], l1=[1e-3])
    model = keras.models.load_model(made.export(tmp_path / "made.keras"))
    model.compile("adam", "sparse_categorical_crossentropy")
    kernels = [made.members[0].params[layer]["kernel"] for layer in ("hidden_0", "hidden_1")]
    found = float(sum(model.losses))
    assert found == pytest.approx(1e-3 * sum(np.abs(kernel).sum() for kernel in kernels), rel=1e-5)
    before = model.evaluate(*dataset.train, verbose=0)
    model.fit(*dataset.train, epochs=3, verbose=0)
    assert model.evaluate(*dataset.train, verbose=0) < before


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_table_goes_in_as_its_rows_are(ensemble: int, tmp_path: Path) -> None:
    frame = patients()
    made = fitted(table_of(frame), ensemble=ensemble)
    expected = made.predict_proba(frame)
    file = made.export(tmp_path / "made.npz")
    names = list(np.load(file)["feature_names"])
    assert names == ["age", "ward=east", "ward=north", "ward=west", "smokes"]
    np.testing.assert_allclose(by_numpy(file, features(frame, names)), expected, **ROUNDING)
    model = keras.models.load_model(made.export(tmp_path / "made.keras"))
    found = model.predict(features(frame, names).astype(np.float32), verbose=0)
    np.testing.assert_allclose(found, expected, **ROUNDING)


@pytest.mark.parametrize(("label", "ensemble"), [("age", 1), ("age,dose", 2)])
def test_quantities_come_out_in_their_units(label: str, ensemble: int, tmp_path: Path) -> None:
    frame = patients().assign(dose=lambda table: 1000 + 30 * table["age"])
    made = fitted(table_of(frame, label), ensemble=ensemble, loss="squared", epochs=20, learning_rate=[0.01])
    rows, expected = features(frame, list(made.encoding.features)), made.predict(frame)
    model = keras.models.load_model(made.export(tmp_path / "made.keras"))
    found = model.predict(rows.astype(np.float32), verbose=0)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4)
    saved = np.load(made.export(tmp_path / "made.npz"))
    assert list(saved["quantity_names"]) == label.split(",") and "class_names" not in saved.files
    np.testing.assert_array_equal(saved["quantity_means"], made.quantities.means)
    np.testing.assert_array_equal(saved["quantity_spreads"], made.quantities.spreads)


def test_an_estimator_standardises_inside(tmp_path: Path) -> None:
    from jaxreg.estimators import RegularizedMLPClassifier

    random = np.random.default_rng(0)
    x, y = 1000 + 7 * random.normal(size=(14, 3)), np.array(["ant", "bee"])[np.arange(14) % 2]
    made = RegularizedMLPClassifier(settings={"epochs": 2, "hidden": [4]}, ensemble=2)
    with pytest.raises(UserError, match="export: the estimator is not fitted yet"):
        made.export(tmp_path / "made.keras")
    made.fit(x, y)
    model = keras.models.load_model(made.export(tmp_path / "made.keras"))
    np.testing.assert_allclose(model.predict(x.astype(np.float32), verbose=0), made.predict_proba(x), rtol=2e-3)
    file = made.export(tmp_path / "made.npz")
    np.testing.assert_allclose(by_numpy(file, x), made.predict_proba(x), **ROUNDING)
    assert list(np.load(file)["class_names"]) == ["ant", "bee"] and list(np.load(file)["feature_names"])[0] == "x0"


def test_what_cannot_be_expressed_is_said_in_one_line(dataset: Dataset, tmp_path: Path, monkeypatch: Any) -> None:
    own = fitted(dataset, network=Own())

    def refused(made: Fitted, name: str, said: str) -> None:
        with pytest.raises(UserError, match=said) as error:
            made.export(tmp_path / name)
        assert "\n" not in str(error.value)

    refused(own, "own.keras", "Own: is a network of your own, which Keras can't have. Export it as .npz")
    arrays = np.load(own.export(tmp_path / "own.npz"))
    np.testing.assert_array_equal(arrays["networks/0/params/Dense_1/bias"], own.members[0].params["Dense_1"]["bias"])
    refused(own, "own.onnx", "own.onnx: must end in .keras or .npz")
    refused(own, "no/own.npz", "can't be written .No such file")
    far = fitted(table_of(patients().assign(year=1e9 + np.arange(90) % 7)))
    refused(far, "far.keras", "^year: varies too little around its mean for Keras's numbers of 32 bits")
    far.export(tmp_path / "far.npz")
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    refused(far, "none.keras", r"Keras can't be imported .*pip install 'jaxreg\[keras\]'")


def test_the_command_trains_and_writes(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    import jaxreg

    monkeypatch.chdir(tmp_path)
    frame = patients()
    frame.to_csv("patients.csv", index=False)
    flags = {"data": "patients.csv", "label": "outcome", "hidden": [4], "epochs": 2, "splits": 2, "second_stage": 1}
    run(jaxreg.load(flags={"grid": "l2", "l2": [0, 0.1], **flags}), out="run")
    assert main(["run", "--save", "best.safetensors", "--export", "best.keras", "--ensemble", "2", "--quiet"]) == 0
    said = capsys.readouterr().out
    best = jaxreg.Run("run").best
    assert f"{best}, 2 networks trained on 90 rows: wrote best.safetensors and best.keras\n" in said
    assert "best.keras takes age, ward=east, ward=north, ward=west, smokes, in this order" in said
    made, model = jaxreg.load("best.safetensors"), keras.models.load_model("best.keras")
    rows = features(frame, list(made.encoding.features)).astype(np.float32)
    np.testing.assert_allclose(model.predict(rows, verbose=0), made.predict_proba(frame), **ROUNDING)
    assert made.cell.name == best and made.about["recommended"] == best
    assert main(["run", "--cell", "l2=0.1", "--ensemble", "1", "--export", "other.npz", "--quiet"]) == 0
    assert "l2=0.1, 1 network trained on 90 rows: wrote other.npz" in capsys.readouterr().out
    for words, told in (
        ([], "give the folder of a run"),
        (["run"], "say where it goes"),
        (["run", "--save", "x.keras"], "--save: x.keras must end in .safetensors."),
        (["run", "--export", "no/x.keras"], "--export: there is no folder no."),
        (["run", "--export", "x.npz", "--ensemble", "0"], "--ensemble: must be a whole number from 1 to 1000"),
        (
            ["run", "--export", "x.npz", "--cell", "l3=1"],
            "unknown cell `l3=1`. Did you mean `l2=0.1`? Known",
        ),
        (["gone", "--export", "x.npz"], "gone is not a folder"),
    ):
        assert main(words) == 2
        assert told in (error := capsys.readouterr().err) and "Traceback" not in error
    assert not Path("x.npz").exists()
    odds = np.full((4, 20), 0.4) + 0.1 * np.eye(4, 20)
    jaxreg.compare(odds, np.arange(20) % 2, cell=["a", "a", "b", "b"], split=[0, 1, 0, 1], reference="a", out="others")
    assert main(["others", "--export", "x.npz", "--cell", "a"]) == 2
    assert "others compares models that were trained elsewhere, and there is nothing to fit" in capsys.readouterr().err
