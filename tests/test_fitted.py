"""What people do after a sweep: the recommended cell, its figure, the ensemble that predicts, an estimator of it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError
from jaxreg.estimators import RegularizedMLPClassifier, RegularizedMLPRegressor
from jaxreg.spec.sweep import Sweep

SMALL = {"hidden": [6], "epochs": 3, "batch_size": [20], "curve_images": 50, "splits": 2}


def sweep(**more: Any) -> Sweep:
    return jaxreg.load(flags={"grid": "l1", "l1": [0, 1e-4, 0.1], "full_seeds": 2, "second_stage": 1, **SMALL, **more})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> jaxreg.Run:
    return jaxreg.run(sweep(), dataset=dataset, out=tmp_path_factory.mktemp("fitted") / "run")


def test_the_best_is_what_is_recommended(run: jaxreg.Run, dataset: Dataset) -> None:
    whole = run.recommendation[run.recommendation["scope"] == "whole"].set_index("purpose")["cell"]
    assert run.best == whole["cross_entropy"]
    assert run.plot().size == run.plot("answer").size and run.plot().size[0] > 300
    with pytest.raises(UserError, match="there is no figure 'everything'; there are answer|there is no figure"):
        run.plot("everything")


def test_an_ensemble_of_one_predicts_what_the_member_of_the_sweep_did(run: jaxreg.Run, dataset: Dataset) -> None:
    """The same member by another door, to the last bit: its predictions of the test set are in the folder."""
    stored = np.load(run.folder / "predictions.npz")
    place = list(stored["members"]).index("l1=1e-4/all/seed0")
    fitted = run.fit(1, cell="l1=1e-4")
    expected = np.exp(stored["log_probabilities"][place].astype(np.float64))
    np.testing.assert_allclose(fitted.predict_proba(dataset.test.inputs), expected, rtol=2e-6, atol=1e-9)
    row = run.members.set_index("member").loc["l1=1e-4/all/seed0"]
    assert fitted.score(dataset.test.inputs, dataset.test.targets) == pytest.approx(row["test_accuracy"])


def test_an_ensemble_is_the_mean_of_its_members(run: jaxreg.Run, dataset: Dataset) -> None:
    both = run.fit(2, cell="plain").predict_proba(dataset.test.inputs)
    stored = np.load(run.folder / "predictions.npz")
    members = [list(stored["members"]).index(f"plain/all/seed{seed}") for seed in (0, 1)]
    each = np.exp(stored["log_probabilities"][members].astype(np.float64))
    np.testing.assert_allclose(both, each.mean(0) / each.mean(0).sum(1, keepdims=True), rtol=2e-6, atol=1e-9)


def test_pictures_may_come_as_fractions_too(run: jaxreg.Run, dataset: Dataset) -> None:
    """Levels from 0 to 255 in float32: the same pictures, scaled as those that were trained on."""
    fitted = run.fit(1)
    floats = dataset.test.inputs[:9].astype(np.float32)
    np.testing.assert_array_equal(fitted.predict_proba(floats), fitted.predict_proba(dataset.test.inputs[:9]))


def test_a_row_does_not_hang_on_its_company(run: jaxreg.Run, dataset: Dataset) -> None:
    fitted = run.fit(1)
    whole = fitted.predict_proba(dataset.test.inputs)
    np.testing.assert_array_equal(whole[3:8], fitted.predict_proba(dataset.test.inputs[3:8]))
    assert fitted.predict_proba(dataset.test.inputs[:0]).shape == (0, 10)
    np.testing.assert_array_equal(fitted.predict(dataset.test.inputs), whole.argmax(1))


def test_a_later_session_gives_the_data_again(run: jaxreg.Run, dataset: Dataset) -> None:
    later = jaxreg.Run(run.folder)
    assert later.best == run.best
    with pytest.raises(UserError, match="was trained on data that no file names"):
        later.fit()
    one, two = (made.fit(1, dataset=dataset).predict_proba(dataset.test.inputs) for made in (later, run))
    np.testing.assert_array_equal(one, two)
    for wrong, said in (
        (0, "ensemble: must be a whole number"),
        (1, "unknown cell `l1=2e-4`. Did you mean `l1=1e-4`. Known cells: plain, .*l1=1e-5, l1=0.05"),
    ):
        with pytest.raises(UserError, match=said):
            run.fit(wrong, cell="l1=2e-4" if wrong else None)
    with pytest.raises(UserError, match="rows have 3 features, expected 784"):
        run.fit(1).predict_proba(np.zeros((2, 3), np.uint8))


# --- the estimator ---------------------------------------------------------------------------------------------------


def blobs(rows: int = 240) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    kinds = np.arange(rows) % 3
    return random.normal(size=(rows, 4)) + 2.5 * np.eye(3, 4)[kinds], np.array(["ant", "bee", "cat"])[kinds]


@pytest.mark.slow
def test_an_estimator_chooses_trains_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = blobs()
    made = RegularizedMLPClassifier("l2", settings={"epochs": 10, "l2": [0, 0.01, 0.1]}, ensemble=2)
    assert made.fit(x[:180], y[:180]) is made
    assert made.score(x[180:], y[180:]) > 0.85 and list(made.classes_) == ["ant", "bee", "cat"]
    assert set(made.best_params_) == {"l2"} and made.best_params_["l2"] >= 0
    scores = dict(zip(made.cv_results_["cell"], made.cv_results_["mean_test_score"], strict=True))
    for beside in ("early_stopping=3-best", "averaged_epochs=3"):
        scores.pop(beside)
    assert max(scores, key=lambda name: scores[name]) in (
        "plain" if made.best_params_["l2"] == 0 else f"l2={made.best_params_['l2']:g}", max(scores, key=scores.get)
    )  # fmt: skip
    took = "plain" if made.best_params_["l2"] == 0 else f"l2={made.best_params_['l2']:g}"
    said = "of what was trained on three quarters of the rows, it has the lowest mean cross-entropy on"
    assert made.report_.startswith(f"This estimator took `{took}`: {said} the last quarter")
    assert "bias, variance and error" in made.report_ and not list(tmp_path.iterdir())
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(made.predict_proba(x), again.predict_proba(x))


def test_an_estimator_of_a_quantity_chooses_and_predicts_in_its_units(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 3))
    y = 5000 + 300 * (x @ [1.0, -1.0, 0.5]) + 60 * random.normal(size=200)
    made = RegularizedMLPRegressor("l2=0,0.01,1", settings={"epochs": 25}, ensemble=2)
    made.fit(x[:150], y[:150])
    assert made.score(x[150:], y[150:]) > 0.8 and abs(made.predict(x).mean() - y.mean()) < 100
    assert set(made.best_params_) == {"l2"} and "RMSE of `y`" in made.report_
    assert "it has the lowest mean squared error on the last quarter" in made.report_.splitlines()[0]
    assert "`RegularizedMLPRegressor('l2=0,0.01,1', ensemble=2, settings={" in made.report_
    assert not re.search(
        r"jaxreg\.report|\btmp|data: X|figures/|Bands:|\n## .*\n+## |</summary>\n+</details>", made.report_
    )
    made.set_params(rule="sure", ensemble=1).fit(x[:150], y[:150])
    (took,) = re.findall("^This estimator took (`.*`): it is what the report recommends", made.report_)
    assert f"rows, use {took if took != '`plain`' else 'no regularisation'}" in made.report_
    assert made.cv_results_["mean_test_score"].max() < 0
    again = jaxreg.load(made.save(tmp_path / "y.safetensors"))
    assert type(again) is RegularizedMLPRegressor
    np.testing.assert_array_equal(again.predict(x), made.predict(x))
    few = RegularizedMLPRegressor(settings={"epochs": 3}, ensemble=1).fit(x[:15], np.full(15, 7.0))
    assert "nothing was chosen" in few.report_ and few.predict(x).shape == (200,)


@pytest.mark.slow
def test_an_estimator_works_in_a_pipeline_under_cross_validation() -> None:
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = blobs(150)
    made = make_pipeline(
        StandardScaler(), RegularizedMLPClassifier(settings={"epochs": 40, "l2": [0, 0.01]}, ensemble=1)
    )
    assert cross_val_score(made, x, y, cv=2).min() > 0.75


def test_an_estimator_with_too_few_rows_chooses_nothing() -> None:
    x, y = blobs(15)
    made = RegularizedMLPClassifier(settings={"epochs": 3}, ensemble=1).fit(x, y)
    assert made.best_params_ == {"l2": 0} and "fewer than 8 rows" in made.report_ and made.predict(x).shape == (15,)


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_texts_are_refused_with_what_to_type_and_that_works(kind: Any) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    known = {one.__name__: one for one in (make_column_transformer, make_pipeline, OneHotEncoder, kind)}
    y, frame = np.arange(12) % 2, pd.DataFrame({"age": np.arange(12.0), "ward": ["east", "west", "north"] * 4})
    for x, column in (
        (frame, "'ward'"),
        (frame.astype({"ward": "category"}), "'ward'"),
        (frame.to_numpy(), "1"),
        (np.array([["1", "east"]] * 12), "1"),
    ):
        with pytest.raises(ValueError, match="^could not convert string to float: .*X has texts") as error:
            kind().fit(x, y)
        (typed,) = re.findall(r"Encode them first: (.*)\. Or give the table", str(error.value))
        assert f"[{column}]" in typed
    (*_, last) = (pipeline := eval(typed.replace("[1]", "['ward']"), known)).steps
    last[1].set_params(settings={"epochs": 2, "hidden": [2]}, ensemble=1)
    assert pipeline.fit(frame, y).predict(frame.assign(ward="south")).shape == (12,)
    with pytest.raises(ValueError) as other:  # it is not X that has them
        RegularizedMLPRegressor().fit(frame[["age"]], frame["ward"])
    assert "X has texts" not in str(other.value)


@pytest.mark.estimators
@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_scikit_learn_finds_nothing_wrong(kind: Any) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    made = kind(settings={"epochs": 30, "hidden": [16], "l2": [0, 1e-3]}, ensemble=1)
    with pytest.warns(Warning):  # that it skips a check of its own, for arrays of other libraries
        found = check_estimator(made, on_fail=None)
    assert [one["check_name"] for one in found if one["status"] == "failed"] == [] and len(found) > 40
